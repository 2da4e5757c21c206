import assert from 'node:assert/strict';
import type { TrainingState } from '../checkpoint/state.ts';
import type { Exchange } from '../communication/exchange.ts';
import { planBuckets } from '../communication/schedule/buckets.ts';
import type { Engine } from '../engine/engine.ts';
import { fetching } from '../engine/fetching.ts';
import { openEngine } from '../engine/open.ts';
import { planStep } from '../memory/plan.ts';
import mnist from '../program/builtin/mnist.ts';
import type { Batch, TrainingProgram } from '../program/define.ts';
import { buildTraining, nodeBytes, type Training } from './build.ts';
import { failureOf } from './failure.ts';
import { loopback } from './loopback.ts';
import type { FromCompute } from './messages.ts';
import { type RunRequest, runTraining } from './run.ts';
import { everything } from './small-programs.ts';

type Finished = Extract<FromCompute, { kind: 'finished' }>;
type Posted<K extends FromCompute['kind']> = Extract<FromCompute, { kind: K }>;

interface Run {
  finished: Finished;
  posted: FromCompute[];
}

describe('runTraining', () => {
  let engine: Engine;
  beforeEach(async () => {
    engine = await openEngine('wasm');
  });

  const build = (
    program: TrainingProgram,
    batchSize: number,
    changes: { seed?: number; recycling?: boolean; alone?: boolean } = {},
  ) =>
    buildTraining({
      program,
      parameters: { learningRate: 0.01 },
      batchSize,
      seed: changes.seed ?? 7,
      recycling: changes.recycling ?? true,
      alone: changes.alone ?? false,
      engine,
    });

  const run = async (training: Training, changes: Partial<RunRequest> = {}): Promise<Run> => {
    const posted: FromCompute[] = [];
    const finished = await runTraining({
      training,
      exchange: loopback(training.buckets),
      state: training.initial,
      rank: 0,
      worldSize: 1,
      steps: 12,
      checkpointEverySteps: 5,
      clock: () => performance.now(),
      post: (message) => posted.push(message),
      stopAfter: () => undefined,
      ...changes,
    });
    return { finished, posted };
  };
  const of = <K extends FromCompute['kind']>({ posted }: Run, kind: K) =>
    posted.filter((message): message is Posted<K> => message.kind === kind);

  it('uses exactly the bytes that the plan predicts, with and without recycling, and gets the same bits', async () => {
    const results: { peak: number; state: TrainingState }[] = [];
    for (const recycling of [true, false]) {
      const training = await build(everything, 8, { recycling });
      const result = await run(training);
      assert.deepEqual(
        of(result, 'step').flatMap(({ warning }) => warning ?? []),
        [],
      );
      assert.equal(result.finished.measuredPeakBytes, training.plan.peak.bytes);
      results.push({ peak: training.plan.peak.bytes, state: result.finished.state });
    }
    assert.ok(results[0]!.peak < results[1]!.peak);
    assert.deepEqual(bits(results[0]!.state), bits(results[1]!.state));
  });

  it('comes to the same bits on an engine that fetches its sums, in exactly the bytes predicted', async () => {
    const near = await run(await build(everything, 8));
    engine = fetching(engine);
    for (const recycling of [true, false]) {
      const training = await build(everything, 8, { recycling });
      const fetched = training.plan.steady.events.filter(({ kind }) => kind === 'fetch');
      assert.equal(fetched.length, training.buckets.length);
      const result = await run(training);
      assert.deepEqual(
        of(result, 'step').flatMap(({ warning }) => warning ?? []),
        [],
      );
      assert.equal(result.finished.measuredPeakBytes, training.plan.peak.bytes);
      assert.deepEqual(bits(result.finished.state), bits(near.finished.state));
    }
    assert.equal(engine.liveBytes(), 0);
  });

  it('comes to the same bits without an exchange, in exactly the bytes predicted', async () => {
    const states: TrainingState[] = [];
    for (const [alone, isFar] of [
      [false, false],
      [true, false],
      [true, true],
    ] as const) {
      if (isFar) engine = fetching(engine);
      const training = await build(everything, 8, { alone });
      assert.equal(training.buckets.length === 0, alone);
      const { finished } = await run(training);
      assert.equal(finished.measuredPeakBytes, training.plan.peak.bytes);
      states.push(finished.state);
    }
    assert.deepEqual(states[1], states[0]);
    assert.deepEqual(states[2], states[0]);
  });

  describe('with every gradient above 64 bytes divided', () => {
    const divided = async (fetches: boolean): Promise<Training> => {
      const training = await build(everything, 8);
      const { graph, initial, request } = training;
      const elements = new Map(initial.tensors.map(({ name, data }) => [name, data.length]));
      const sizes = graph.variables.map(({ index, layer, name }) => ({ index, layer, elements: elements.get(name)! }));
      const buckets = planBuckets(sizes, { bucketBytes: 64, mostBytes: 64 });
      assert.ok(buckets.length > graph.variables.length, `${buckets.length} buckets`);
      const plan = planStep({
        graph,
        nodeBytes: nodeBytes(engine, graph),
        buckets,
        optimizerSlots: 2,
        fetches,
        recycling: true,
      });
      return { ...training, buckets, plan, request: { ...request, engine: fetches ? fetching(engine) : engine } };
    };

    it('gets the same bits and losses, in the bytes that the plan predicts, on a near and on a far engine', async () => {
      const whole = await run(await build(everything, 8));
      const losses = (result: Run) => of(result, 'step').map(({ loss }) => loss);
      for (const fetches of [false, true]) {
        const training = await divided(fetches);
        const parts = await run(training);
        assert.deepEqual(bits(parts.finished.state), bits(whole.finished.state));
        assert.deepEqual(losses(parts), losses(whole));
        assert.deepEqual(
          of(parts, 'step').flatMap(({ warning }) => warning ?? []),
          [],
        );
        assert.equal(parts.finished.measuredPeakBytes, training.plan.peak.bytes);
      }
    });

    it('names the variable of a part that is not finite', async () => {
      const training = await divided(false);
      const exchange = loopback(training.buckets);
      const [bucket, part] = training.buckets
        .flatMap(({ id, parts }) => parts.map((each) => [id, each] as const))
        .findLast(([, { first }]) => first > 0)!;
      const poisoned: Exchange = {
        ...exchange,
        submit: (id) => {
          exchange.submit(id);
          if (id === bucket) exchange.sum(id).fill(Number.NaN);
        },
      };
      await assert.rejects(run(training, { exchange: poisoned }), (error: unknown) => {
        const { class: cause, step, message } = failureOf(error, 2);
        assert.ok(message.includes(training.graph.variables[part.variable]!.name), message);
        return cause === 'nonFinite' && step === 0;
      });
    });
  });

  it('leaves nothing on the engine', async () => {
    await run(await build(everything, 8));
    assert.equal(engine.liveBytes(), 0);
  });

  it('repeats a run bit for bit from the same seed, and not from another', async () => {
    const first = await run(await build(everything, 8));
    const second = await run(await build(everything, 8));
    const other = await run(await build(everything, 8, { seed: 8 }));
    assert.deepEqual(bits(second.finished.state), bits(first.finished.state));
    assert.notDeepEqual(bits(other.finished.state), bits(first.finished.state));
  });

  it('goes on from a snapshot as if nothing had happened, bit for bit', async () => {
    const undisturbed = await run(await build(everything, 8));
    for (const { state } of of(undisturbed, 'snapshot')) {
      const resumed = await run(await build(everything, 8), { state });
      assert.deepEqual(bits(resumed.finished.state), bits(undisturbed.finished.state));
      assert.equal(of(resumed, 'step')[0]?.step, state.step + 1);
    }
  });

  it('posts a snapshot every everySteps on rank 0 alone, and the last state once, when it has finished', async () => {
    const training = await build(everything, 8);
    const first = await run(training, { steps: 10 });
    assert.deepEqual(
      of(first, 'snapshot').map(({ state }) => state.step),
      [5],
    );
    assert.equal(first.finished.state.step, 10);
    const second = await run(training, { steps: 10, rank: 1, worldSize: 2 });
    assert.deepEqual(of(second, 'snapshot'), []);
    assert.equal(second.finished.accuracy, undefined);
  });

  it('gets the same bits however often it takes all sums in before it goes on', async () => {
    const often = await run(await build(everything, 8), { checkpointEverySteps: 1 });
    const never = await run(await build(everything, 8), { checkpointEverySteps: 1000 });
    assert.deepEqual(bits(often.finished.state), bits(never.finished.state));
  });

  it('stops after the step that it is asked for, drained, so that it can be resumed', async () => {
    const undisturbed = await run(await build(everything, 8));
    const training = await build(everything, 8);
    const stopped = await run(training, { stopAfter: () => 7 });
    assert.equal(stopped.finished.stopped, true);
    assert.equal(stopped.finished.state.step, 7);
    const resumed = await run(training, { state: stopped.finished.state });
    assert.deepEqual(bits(resumed.finished.state), bits(undisturbed.finished.state));
  });

  it('only evaluates when the start state is that of the last step', async () => {
    const training = await build(everything, 8);
    const done = await run(training);
    const again = await run(training, { state: done.finished.state });
    assert.deepEqual(again.posted, []);
    assert.equal(again.finished.accuracy, done.finished.accuracy);
  });

  describe('without an exchange', () => {
    it('goes on from a snapshot, and from where it was stopped, to the bits of a run with one', async () => {
      const withExchange = await run(await build(everything, 8));
      const training = await build(everything, 8, { alone: true });
      const undisturbed = await run(training);
      const stopped = await run(training, { stopAfter: () => 7 });
      assert.deepEqual([stopped.finished.stopped, stopped.finished.state.step], [true, 7]);
      const states = of(undisturbed, 'snapshot').map(({ state }) => state);
      assert.deepEqual(
        states.map(({ step }) => step),
        [5, 10],
      );
      for (const state of [...states, stopped.finished.state]) {
        const resumed = await run(training, { state });
        assert.deepEqual(bits(resumed.finished.state), bits(withExchange.finished.state));
        assert.equal(resumed.finished.accuracy, withExchange.finished.accuracy);
      }
    });

    it('posts the losses of a run with one, and never stood still for sums', async () => {
      const [alone, exchanging] = [
        await run(await build(everything, 8, { alone: true })),
        await run(await build(everything, 8)),
      ];
      const losses = (result: Run) => of(result, 'step').map(({ loss }) => loss);
      assert.deepEqual(losses(alone), losses(exchanging));
      assert.ok(of(alone, 'step').every(({ exposedSeconds }) => exposedSeconds === 0));
    });

    it('ends in the step whose numbers are no longer finite, as a run with one', async () => {
      const explosive = { ...everything, optimizer: () => ({ kind: 'sgd', learningRate: 1e38 }) as const };
      for (const alone of [false, true]) {
        const training = await build(explosive, 8, { alone });
        await assert.rejects(run(training), (error: unknown) => {
          const { class: cause, step, message } = failureOf(error, 2);
          assert.match(message, /became NaN or infinite in step 2/);
          return cause === 'nonFinite' && step === 1;
        });
      }
    });
  });

  it('scales the sum by 1 / worldSize', async () => {
    const training = await build(everything, 8);
    const twice = loopback(training.buckets);
    const doubled: Exchange = { ...twice, sum: (bucket) => twice.sum(bucket).map((value) => 2 * value) };
    const weights = (result: Run) => bits(result.finished.state);
    // In the first step rank 0 of 2 gets the same samples as a rank alone.
    assert.deepEqual(
      weights(await run(training, { steps: 1, exchange: doubled, worldSize: 2 })),
      weights(await run(training, { steps: 1 })),
    );
  });

  it('learns', async () => {
    const { finished, ...result } = await run(await build(everything, 16), { steps: 60 });
    const losses = of({ finished, ...result }, 'step').map(({ loss }) => loss as number);
    assert.ok(mean(losses.slice(-10)) < 0.5 * mean(losses.slice(0, 10)));
    assert.ok((finished.accuracy as number) > 0.8, `accuracy ${finished.accuracy}`);
  });

  it('trains the built-in mnist program: the loss falls, digits that it has not seen are recognised', async () => {
    const result = await run(await build(mnist as unknown as TrainingProgram, 32), {
      steps: 50,
      checkpointEverySteps: 1000,
    });
    const losses = of(result, 'step').map(({ loss }) => loss as number);
    assert.ok(mean(losses.slice(-5)) < 0.4 * mean(losses.slice(0, 5)));
    assert.ok((result.finished.accuracy as number) > 0.85, `accuracy ${result.finished.accuracy}`);
    assert.equal(result.finished.measuredPeakBytes, of(result, 'step').at(-1)?.measuredPeakBytes);
  });

  describe('names what went wrong', () => {
    const failing = async (changes: Partial<TrainingProgram>, request: Partial<RunRequest> = {}) => {
      const training = await build({ ...everything, ...changes }, 8);
      const error = await run(training, request).then(
        () => assert.fail('it did not fail'),
        (thrown: unknown) => thrown,
      );
      return failureOf(error, 2);
    };
    const batches = (...made: Batch[]): Partial<TrainingProgram> => ({ data: () => made });
    const good = () => ({ x: new Float32Array(8 * 36).fill(0.5), y: new Int32Array(8) });

    it('a loss that is not finite, with its step', async () => {
      const failure = await failing(batches(good(), { ...good(), x: new Float32Array(8 * 36).fill(Number.NaN) }));
      assert.deepEqual([failure.class, failure.step], ['nonFinite', 1]);
      assert.match(failure.message, /loss became NaN or infinite in step 2/);
    });

    it('a sum that is not finite, with the variable and the step that it belongs to', async () => {
      const training = await build(everything, 8);
      const exchange = loopback(training.buckets);
      let submitted = 0;
      const poisoned: Exchange = {
        ...exchange,
        submit: (bucket) => {
          exchange.submit(bucket);
          submitted += 1;
          if (submitted > training.buckets.length) exchange.sum(bucket).fill(Number.POSITIVE_INFINITY);
        },
      };
      const failure = await failing({}, { exchange: poisoned });
      assert.deepEqual([failure.class, failure.step], ['nonFinite', 1]);
      assert.match(failure.message, /conv2d1\/kernel.* in step 2/);
    });

    it('every tensor of a batch that does not fit', async () => {
      const failure = await failing(batches({ x: new Float32Array(5), y: new Int32Array([0, 0, 0, 0, 0, 0, 0, 3]) }));
      assert.equal(failure.class, 'program');
      assert.match(
        failure.message,
        /step 1: x has 5 numbers where shape \[8, 6, 6, 1\] needs 288; y has class 3 where the model knows 0 … 2/,
      );
    });

    it('data that ends', async () => {
      const failure = await failing(batches(good(), good()));
      assert.equal(failure.class, 'program');
      assert.match(failure.message, /ended before step 3/);
    });

    it('data that throws, with the line', async () => {
      const failure = await failing({
        data: () => {
          throw new TypeError('no such file');
        },
      });
      assert.equal(failure.class, 'program');
      assert.match(failure.message, /data of the training program threw TypeError: no such file/);
    });

    it('a start state of another program, tensor by tensor', async () => {
      const { initial } = await build(everything, 8);
      const [first, ...others] = initial.tensors;
      const tensors = [{ ...first!, shape: [2, 2] }, ...others.slice(1), { ...first!, name: 'other' }];
      const failure = await failing({}, { state: { step: 0, tensors } });
      assert.equal(failure.class, 'configuration');
      assert.match(failure.message, /conv2d1\/kernel has shape \[2, 2\]/);
      assert.match(failure.message, /conv2d1\/kernel\/m is not in the start state/);
      assert.match(failure.message, /other is in the start state/);
    });
  });
});

function bits({ step, tensors }: TrainingState): unknown {
  return {
    step,
    tensors: tensors.map(({ name, shape, data }) => [
      name,
      shape,
      Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('hex'),
    ]),
  };
}

function mean(numbers: readonly number[]): number {
  return numbers.reduce((sum, number) => sum + number, 0) / numbers.length;
}
