import assert from 'node:assert/strict';
import { env } from 'node:process';
import type { TrainingState } from '../checkpoint/state.ts';
import type { Algorithm, Engine, ImageFormat } from '../engine/engine.ts';
import { layingOut } from '../engine/laying-out.ts';
import { stagingProblem } from '../engine/native/staged.ts';
import { tested } from '../engine/native/tested.ts';
import { openEngine } from '../engine/open.ts';
import type { Node } from '../graph/graph.ts';
import type { TrainingProgram } from '../program/define.ts';
import { loadBuiltin } from '../program/load.ts';
import { parseParameters } from '../program/parameters.ts';
import { buildTraining, describeTraining, type Training } from './build.ts';
import { loopback } from './loopback.ts';
import type { FromCompute } from './messages.ts';
import { runTraining } from './run.ts';
import { everything, plain, rectified } from './small-programs.ts';

const formats: readonly ImageFormat[] = ['NHWC', 'NCHW'];
const imagesOf = ({ attrs }: Node) => attrs['dataFormat'] as ImageFormat;

/** Convolutions take so many milliseconds each, and half of that with a workspace of `bytes`. */
const taking =
  (milliseconds: Readonly<Record<ImageFormat, number>>, bytes = 4096) =>
  (node: Node): Algorithm[] => [
    { milliseconds: milliseconds[imagesOf(node)] / 2, workspaceBytes: bytes },
    { milliseconds: milliseconds[imagesOf(node)], workspaceBytes: 0 },
  ];

async function smallVgg(): Promise<{ program: TrainingProgram; parameters: unknown }> {
  const program = await loadBuiltin('vgg16');
  return { program, parameters: parseParameters(program, { imageSize: 32, classes: 3, width: 1 / 16 }) };
}

interface Run {
  training: Training;
  engine: Engine;
  state: TrainingState;
  snapshots: TrainingState[];
  warnings: string[];
  accuracy: number | undefined;
  measuredPeakBytes: number;
}

describe('a training that is laid out for its engine', () => {
  let wasm: Engine;
  beforeEach(async () => {
    wasm = await openEngine('wasm');
  });

  const build = (engine: Engine, subject: { program: TrainingProgram; parameters?: unknown }, alone = false) =>
    buildTraining({ parameters: {}, ...subject, batchSize: 4, seed: 7, recycling: true, engine, alone });

  const train = async (training: Training, from = training.initial): Promise<Run> => {
    const snapshots: TrainingState[] = [];
    const warnings: string[] = [];
    const post = (message: FromCompute) => {
      if (message.kind === 'snapshot') snapshots.push(message.state);
      if (message.kind === 'step' && message.warning !== undefined) warnings.push(message.warning);
    };
    const { state, accuracy, measuredPeakBytes } = await runTraining({
      training,
      exchange: loopback(training.buckets),
      state: from,
      rank: 0,
      worldSize: 1,
      steps: 6,
      checkpointEverySteps: 4,
      clock: () => performance.now(),
      post,
      stopAfter: () => undefined,
    });
    const { engine } = training.request;
    assert.equal(engine.liveBytes(), 0);
    return { training, engine, state, snapshots, warnings, accuracy, measuredPeakBytes };
  };

  for (const images of formats) {
    for (const [name, subject] of [
      ['a small VGG', smallVgg],
      ['batch normalisation and dropout by Adam', () => ({ program: everything })],
      ['one convolution and pooling', () => ({ program: plain })],
    ] as const) {
      it(`ends in ${images} with the weights of a plain one, for ${name}`, async function () {
        this.timeout(30_000);
        const asked = await subject();
        const expected = await train(await build(wasm, asked));
        for (const alone of [false, true]) {
          const engine = layingOut(wasm, [images], taking({ NHWC: 1, NCHW: 1 }));
          const found = await train(await build(engine, asked, alone));
          assert.equal(found.training.layout?.images, images);
          assert.ok(found.training.graph.variables.some(({ stored }) => stored !== undefined));
          assert.deepEqual(found.warnings, []);
          assert.equal(found.measuredPeakBytes, found.training.plan.peak.bytes);
          near(found.state, expected.state);
          near(found.snapshots[0]!, expected.snapshots[0]!);
          assert.equal(found.accuracy, expected.accuracy);
        }
      });
    }
  }

  it('ends with the weights of a plain one on the native engine, in each layout that it knows', async function () {
    this.timeout(120_000);
    const problem = stagingProblem(env, tested.device);
    const native = problem === undefined ? await openEngine('native', tested) : undefined;
    if (native === undefined || native.imageFormats.length === 0) {
      native?.dispose();
      console.log(
        `      left out: ${problem ?? 'this engine knows no layouts; HAYATE_TEST_DEVICE=gpu has one that does'}`,
      );
      this.skip();
    }
    const knowing = (imageFormats: readonly ImageFormat[]) =>
      Object.assign(Object.create(native) as Engine, { imageFormats });
    for (const subject of [await smallVgg(), { program: rectified }]) {
      const expected = await train(await build(knowing([]), subject));
      for (const images of native.imageFormats) {
        const found = await train(await build(knowing([images]), subject));
        assert.equal(found.training.layout?.images, images);
        assert.equal(found.measuredPeakBytes, found.training.plan.peak.bytes);
        near(found.state, expected.state, 1e-2);
      }
    }
    native.dispose();
  });

  it('starts from the same weights, and goes on from the checkpoint of a plain one, and the other way round', async () => {
    const [usual, laid] = [
      await build(wasm, { program: plain }),
      await build(layingOut(wasm, ['NCHW']), { program: plain }),
    ];
    assert.deepEqual(laid.initial, usual.initial);
    const expected = await train(usual);
    near((await train(laid, expected.snapshots[0])).state, expected.state);
    near((await train(usual, (await train(laid)).snapshots[0])).state, expected.state);
  });

  it('takes the first layout unless another is 5 % faster, and says why', async () => {
    const subject = await smallVgg();
    const layoutOf = async (milliseconds: Readonly<Record<ImageFormat, number>>) =>
      (await build(layingOut(wasm, formats, taking(milliseconds, 0)), subject)).layout!;
    const alike = await layoutOf({ NHWC: 100, NCHW: 96 });
    assert.equal(alike.images, 'NHWC');
    assert.match(
      alike.reasons[0]!,
      /^pictures lie in NHWC: 1900\.0 ms a step for convolutions and transposes, 1824\.0 ms in NCHW, which is not 5 % faster$/,
    );
    const faster = await layoutOf({ NHWC: 100, NCHW: 94 });
    assert.equal(faster.images, 'NCHW');
    assert.match(faster.reasons[0]!, /^pictures lie in NCHW: 1786\.0 ms a step .*, 1900\.0 ms in NHWC$/);
  });

  it('counts the transposes of a layout against it', async () => {
    const subject = await smallVgg();
    const times = { NHWC: 1e-6, NCHW: 0.5e-6 };
    assert.equal((await build(layingOut(wasm, formats, taking(times)), subject)).layout!.images, 'NHWC');
  });

  it('has workspaces in its plan, which change neither the events nor what ranks must have alike', async () => {
    const subject = await smallVgg();
    const build4 = (bytes: number, milliseconds: number) =>
      build(layingOut(wasm, ['NHWC'], taking({ NHWC: milliseconds, NCHW: 1 }, bytes)), subject);
    const [none, some, nothing] = [
      await build4(0, 1),
      await build4(40_000, 3),
      await build(layingOut(wasm, ['NHWC']), subject),
    ];
    assert.equal(some.layout!.workspaceBytes, 40_000);
    assert.ok(some.plan.peak.bytes <= 1.25 * none.plan.peak.bytes);
    assert.deepEqual(some.plan.steady, none.plan.steady);
    const [first, second, third] = await Promise.all([none, some, nothing].map(describeTraining));
    assert.deepEqual([second!.planHash, third!.planHash], [first!.planHash, first!.planHash]);
    assert.deepEqual(second!.choices, some.layout!.reasons);
    assert.match(second!.choices[1]!, /^convolutions take 57\.0 ms with workspaces within 2 MiB$/);
    const other = await describeTraining(await build(layingOut(wasm, ['NCHW']), subject));
    assert.notEqual(other.planHash, first!.planHash);
  });

  it('says that it had no choice where one layout is all there is', async () => {
    const { layout } = await build(layingOut(wasm, ['NCHW']), { program: plain });
    assert.equal(layout!.reasons[0], 'pictures lie in NCHW, which is the only layout to choose from');
  });

  it('is as it was captured where the engine names no layout, or nothing is convolved', async () => {
    assert.equal((await build(wasm, { program: plain })).layout, undefined);
    const dense: TrainingProgram = {
      ...plain,
      model: (tf) =>
        tf.sequential({ layers: [tf.layers.flatten({ inputShape: [6, 6, 1] }), tf.layers.dense({ units: 3 })] }),
    };
    const usual = await build(wasm, { program: dense });
    const laid = await build(layingOut(wasm, formats), { program: dense });
    assert.deepEqual([laid.layout, laid.graph, laid.plan], [undefined, usual.graph, usual.plan]);
  });
});

/** The same tensors, to rounding: `tolerance` is a share of the largest element. */
function near(found: TrainingState, expected: TrainingState, tolerance = 1e-3): void {
  assert.equal(found.step, expected.step);
  assert.deepEqual(
    found.tensors.map(({ name, shape }) => ({ name, shape })),
    expected.tensors.map(({ name, shape }) => ({ name, shape })),
  );
  found.tensors.forEach(({ name, data }, at) => {
    const other = expected.tensors[at]!.data;
    const scale = other.reduce((largest, x) => Math.max(largest, Math.abs(x)), 1e-3);
    const worst = data.reduce((largest, x, i) => Math.max(largest, Math.abs(x - other[i]!)), 0);
    assert.ok(worst <= tolerance * scale, `${name} is off by ${worst} of ${scale}`);
  });
}
