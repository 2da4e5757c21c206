import assert from 'node:assert/strict';
import { bad, good } from '@hayate/crds/corpus.ts';
import { trainingJobDefinition } from '@hayate/crds/crd.ts';
import { validateTrainingJob } from '@hayate/crds/validate.ts';
import { applyDefaults } from './defaults.ts';
import { prune } from './prune.ts';
import { validate } from './validate.ts';

const schema = trainingJobDefinition().spec.versions[0]!.schema.openAPIV3Schema;

/** What a server does with a write: prune, default, validate. */
function admit(manifest: unknown, old?: unknown): { fields: string[]; value: unknown } {
  const { value, unknown } = prune(schema, manifest);
  const filled = applyDefaults(schema, value);
  return { fields: [...unknown, ...validate(schema, filled, old).map((cause) => cause.field)], value: filled };
}

describe('the definition of TrainingJob on the embedded server', () => {
  for (const { what, manifest } of good) {
    it(`accepts ${what}, with the defaults that the manifest check fills in`, () => {
      const { fields, value } = admit(manifest);
      assert.deepEqual(fields, []);
      const checked = validateTrainingJob(manifest);
      assert.ok(checked.ok);
      const { spec } = value as { spec: unknown };
      assert.deepEqual(spec, JSON.parse(JSON.stringify(checked.job.spec)));
    });
  }

  for (const { what, manifest, field } of bad) {
    it(`refuses ${what} where the manifest check does`, () => {
      const named = admit(manifest).fields.filter((f) => f !== '<nil>' && f !== 'metadata');
      // A rule at the root has no field of its own.
      assert.deepEqual(named, field === 'metadata.name' ? [] : [field]);
      assert.ok(admit(manifest).fields.length > 0);
      assert.equal(validateTrainingJob(manifest).ok, false);
    });
  }

  type Job = {
    spec: {
      suspend: boolean;
      workers: { replicas: number; template: object };
      communication: { port: number; order: string };
      training: { steps: number; parameters: object };
    };
  };
  const stored = (change: (job: Job) => void): Job => {
    const job = structuredClone(admit(good[0]?.manifest).value) as Job;
    change(job);
    return job;
  };
  const transitions: [string, (old: Job) => void, (now: Job) => void, string[]][] = [
    ['refuses other workers while it runs', () => {}, (j) => (j.spec.workers.replicas = 4), ['spec.workers']],
    [
      'refuses another template while it runs',
      () => {},
      (j) => (j.spec.workers.template = { spec: { nodeName: 'x' } }),
      ['spec.workers'],
    ],
    [
      'refuses other parameters while it runs',
      () => {},
      (j) => (j.spec.training.parameters = { rate: 1 }),
      ['spec.training'],
    ],
    [
      'refuses another port while it runs',
      () => {},
      (j) => (j.spec.communication.port = 2000),
      ['spec.communication.port'],
    ],
    ['takes another order while it runs', () => {}, (j) => (j.spec.communication.order = 'Fifo'), []],
    ['takes suspension while it runs', () => {}, (j) => (j.spec.suspend = true), []],
    [
      'takes other workers while it is suspended',
      (j) => (j.spec.suspend = true),
      (j) => Object.assign(j.spec.workers, { replicas: 4 }),
      [],
    ],
    [
      'takes other workers in the write that resumes it',
      (j) => (j.spec.suspend = true),
      (j) => Object.assign(j.spec, { suspend: false, workers: { ...j.spec.workers, replicas: 4 } }),
      [],
    ],
    [
      'takes other workers in the write that suspends it',
      () => {},
      (j) => Object.assign(j.spec, { suspend: true, workers: { ...j.spec.workers, replicas: 4 } }),
      [],
    ],
  ];
  for (const [what, before, change, fields] of transitions) {
    it(what, () => {
      const old = stored(before);
      const now = structuredClone(old);
      change(now);
      assert.deepEqual(admit(now, old).fields, fields);
    });
  }

  it('says why, in the words of a server', () => {
    const old = stored(() => {});
    const now = structuredClone(old);
    now.spec.workers.replicas = 4;
    assert.deepEqual(validate(schema, now, old), [
      {
        reason: 'FieldValueInvalid',
        message: 'Invalid value: workers can change only while suspend is true',
        field: 'spec.workers',
      },
    ]);
  });
});
