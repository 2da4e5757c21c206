import assert from 'node:assert/strict';
import { exitCodes } from '@hayate/crds/exit-codes.ts';
import * as fc from 'fast-check';
import { isFinished } from './conditions.ts';
import { livingAttempts, SimulatedWorld, specOf } from './simulated-world.ts';

/** One thing that happens to a world: the operator makes `writes` writes and dies, or something else moves. */
const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('operator' as const), writes: fc.nat(5) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('run' as const), pod: fc.nat(3), ready: fc.boolean() }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('end' as const),
      pod: fc.nat(3),
      // Mostly what a restart may cure: a permanent failure ends the story.
      code: fc.oneof(
        { weight: 9, arbitrary: fc.constantFrom(0, 1, 10, 137) },
        fc.constantFrom(...Object.values(exitCodes)),
      ),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('remove' as const), pod: fc.nat(3) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('ask' as const), pod: fc.nat(3) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('wait' as const), seconds: fc.nat(400) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('suspend' as const), value: fc.boolean() }) },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

function happen(world: SimulatedWorld, what: Step): void {
  if (what.kind === 'operator') {
    world.pass(what.writes);
    return;
  }
  if (what.kind === 'wait') {
    world.nowMs += what.seconds * 1000;
    return;
  }
  if (what.kind === 'suspend') return world.edit({ suspend: what.value });
  const name = world.podNames[what.pod % Math.max(1, world.podNames.length)];
  if (name === undefined) return;
  const phase = world.pod(name).status?.phase;
  if (what.kind === 'remove') return world.remove(name);
  if (what.kind === 'ask') return world.ask(name);
  if (phase === 'Failed' || phase === 'Succeeded') return;
  if (what.kind === 'run') world.run(name, what.ready);
  else world.end(name, what.code);
}

/** A kubelet and a user who mean well: everything is resumed, started, ends with 0, and goes when asked to. */
function calmDown(world: SimulatedWorld): void {
  world.edit({ suspend: false });
  for (let i = 0; i < 60 && !isFinished(world.status); i++) {
    world.settle();
    for (const name of world.podNames) {
      if (world.pod(name).metadata.deletionTimestamp !== undefined) world.remove(name);
      else if (world.pod(name).status?.phase !== 'Failed') world.end(name, 0);
    }
    world.nowMs += 400_000;
  }
  world.settle();
  for (const name of world.podNames) if (world.pod(name).metadata.deletionTimestamp !== undefined) world.remove(name);
  world.settle();
}

describe('planJob, whatever happens', () => {
  it('ends, starts no attempt too many, never mixes attempts, and rests when nothing changes', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80, size: 'max' }), fc.nat(4), (steps, maxRestarts) => {
        const world = new SimulatedWorld(specOf({ workers: { replicas: 3 }, failurePolicy: { maxRestarts } }));
        let resumes = 0;
        let attempt = 0;
        for (const what of steps) {
          if (what.kind === 'suspend' && !what.value) resumes += 1;
          happen(world, what);
          assert.ok(livingAttempts(world.pods.list()).size <= 1, `two attempts alive: ${world.podNames.join()}`);
          const now = world.status.attempt ?? 0;
          assert.ok(now === attempt || now === attempt + 1, `attempt went from ${attempt} to ${now}`);
          attempt = now;
          const counted = world.status.restarts?.counted ?? 0;
          assert.ok(counted <= maxRestarts, `${counted} restarts of ${maxRestarts}`);
          assert.ok(
            attempt <= 1 + counted + resumes,
            `attempt ${attempt} with ${counted} restarts, ${resumes} resumes`,
          );
        }
        calmDown(world);
        assert.ok(isFinished(world.status), `never ended: ${JSON.stringify(world.status)}`);
        assert.equal(world.pass(), 0);
        assert.equal(livingAttempts(world.pods.list()).size, 0);
        const { phase, failures = [] } = world.status;
        if (phase === 'Failed') assert.ok(failures.length > 0);
      }),
      { numRuns: 400 },
    );
  });
});
