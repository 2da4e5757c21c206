import { type CaptureBackend, shapeBackends } from '../engine/capture-backend.ts';
import { generator, withRandom } from '../engine/random.ts';
import { type LayersModel, type Tensor, tf } from '../engine/tf.ts';
import { useBatchNormKernel } from './batch-norm.ts';
import { differentiate, type TapeNode } from './differentiate.ts';
import { distributionOf } from './distribution.ts';
import { fuse } from './fuse.ts';
import type { Constant, DType, Feed, Graph, ValueId, Variable } from './graph.ts';
import { GraphError } from './graph-error.ts';
import { leanLoss, regularized, targetOf } from './loss.ts';
import { buildModel, type CaptureRequest, weightOrigins } from './model.ts';
import { prune } from './prune.ts';
import { type RecordedWeight, Recording } from './recording.ts';

/** A program's training step as a graph. */
export interface CapturedTraining {
  graph: Graph;
  /** Start values by variable index, drawn from the seed. */
  initial: Float32Array[];
}

/**
 * Runs the program's model once without arithmetic, writes down what it computes and differentiates that.
 * Throws {@link GraphError} where the program depends on data or has no gradient.
 */
export async function captureTraining<P>(request: CaptureRequest<P>): Promise<CapturedTraining> {
  return capture(request, (session) => {
    const { recording, model, backend } = session;
    const feeds = inputFeeds(session, request.batchSize);
    const run = forward(session, () => {
      const { prediction, logits } = predict(session, feeds.tensors, true);
      const { loss } = request.program;
      const target = targetOf(loss, prediction.shape);
      const y = recording.feed(target.shape, target.dtype);
      feeds.list.push({ name: 'y', value: recording.valueOf(y) });
      return regularized(model, leanLoss(loss, y, prediction, logits));
    });
    const loss = recording.valueOf(run.result);
    if (run.result.size !== 1)
      throw new GraphError('unsupported', `the loss must be one number; it has shape [${run.result.shape.join(', ')}]`);
    const trainable = recording.weights.filter((weight) => weight.trainable);
    const gradients = backend.record(recording, () =>
      differentiate(
        recording,
        run.tape,
        loss,
        trainable.map(({ value }) => value),
      ),
    );
    const assigned = assignments(model, recording, session.names);
    const variables = variablesOf(recording.weights, gradients, assigned);
    if (!variables.some(({ kind }) => kind === 'trained')) {
      throw new GraphError('noGradient', 'the loss depends on no trainable weight of the model');
    }
    const graph = finish(session, { variables, feeds: feeds.list, loss, outputs: [] });
    const initial = variables.map(
      ({ name }) => recording.weights.find((weight) => weight.name === name)?.initial ?? new Float32Array(),
    );
    return { graph, initial };
  });
}

/**
 * The model's inference as a graph, for evaluation: `outputs` are its predictions. `variables` are those of the
 * training graph; other weights keep their start values.
 */
export async function captureForward<P>(
  request: CaptureRequest<P> & { variables: readonly Variable[] },
): Promise<Graph> {
  return capture(request, (session) => {
    const { recording } = session;
    const feeds = inputFeeds(session, request.batchSize);
    const run = forward(session, () => predict(session, feeds.tensors, false).prediction);
    const output = recording.valueOf(run.result);
    const variables = request.variables.flatMap((variable) => {
      const weight = recording.weights.find(({ name }) => name === variable.name);
      return weight === undefined
        ? []
        : [{ ...variable, value: weight.value, contribution: weight.value, layer: weight.layer }];
    });
    return finish(session, { variables, feeds: feeds.list, outputs: [output] });
  });
}

interface Session {
  model: LayersModel;
  recording: Recording;
  backend: CaptureBackend;
  /** Name of each weight, by tf.layers's own name. */
  names: ReadonlyMap<object, string>;
  seed: number;
}

async function capture<P, T>(request: CaptureRequest<P>, body: (session: Session) => T): Promise<T> {
  const { capture: backend } = await shapeBackends();
  tf.engine().startScope('capture');
  try {
    const model = buildModel(request);
    useBatchNormKernel(model);
    const origins = weightOrigins(model);
    const names = new Map(
      (model.weights as unknown as { val: { dataId: object } }[]).map((weight) => [
        weight,
        origins.get(weight.val.dataId)?.name ?? '',
      ]),
    );
    const recording = new Recording(backend, origins);
    try {
      return body({ model, recording, backend, names, seed: request.seed });
    } finally {
      model.dispose();
    }
  } catch (error) {
    throw asGraphError(error);
  } finally {
    tf.engine().endScope();
  }
}

interface Feeds {
  list: Feed[];
  tensors: Tensor[];
}

function inputFeeds({ model, recording }: Session, batchSize: number): Feeds {
  const tensors = model.inputs.map((input) => {
    const shape = [batchSize, ...input.shape.slice(1)] as number[];
    return recording.feed(shape, (input.dtype ?? 'float32') as DType);
  });
  const list = tensors.map((tensor, index) => ({
    name: tensors.length === 1 ? 'x' : (model.inputNames[index] ?? `x${index}`),
    value: recording.valueOf(tensor),
  }));
  return { list, tensors };
}

/** Runs `body` under TensorFlow.js's tape with every kernel recorded. */
function forward(session: Session, body: () => Tensor): { result: Tensor; tape: TapeNode[] } {
  const { backend, recording, seed } = session;
  const engine = tf.engine() as unknown as Taping;
  const source = generator(seed, 1);
  const random = () => {
    recording.pendingSeed = source();
    return recording.pendingSeed;
  };
  return backend.record(recording, () =>
    withRandom(random, () => {
      engine.startTape();
      try {
        return { result: body(), tape: engine.state.activeTape };
      } finally {
        engine.endTape();
        engine.state.activeTape = null as never;
      }
    }),
  );
}

interface Taping {
  startTape(): void;
  endTape(): void;
  state: { activeTape: TapeNode[] };
}

function predict(
  { model, recording }: Session,
  inputs: Tensor[],
  training: boolean,
): { prediction: Tensor; logits: Tensor } {
  const applied = model.apply(inputs.length === 1 ? (inputs[0] as Tensor) : inputs, { training });
  if (Array.isArray(applied)) throw new GraphError('unsupported', 'the model has several outputs; give it one');
  const prediction = applied as Tensor;
  const closing = recording.producerOf(recording.valueOf(prediction));
  const before =
    closing?.kernel === 'Softmax'
      ? closing.inputs['logits']
      : closing?.kernel === 'Sigmoid'
        ? closing.inputs['x']
        : undefined;
  return { prediction, logits: typeof before === 'number' ? recording.tensorOf(before) : prediction };
}

/** New values of the weights that the program assigned while it ran, by weight name. */
function assignments(
  model: LayersModel,
  recording: Recording,
  names: ReadonlyMap<object, string>,
): Map<string, ValueId> {
  const assigned = new Map<string, ValueId>();
  const weights = new Map(recording.weights.map((weight) => [weight.name, weight.value]));
  for (const weight of model.weights as unknown as { val: { dataId: object } }[]) {
    const name = names.get(weight) ?? '';
    const before = weights.get(name);
    const now = before === undefined ? undefined : recording.valueOf(weight.val);
    if (now !== undefined && now !== before) assigned.set(name, now);
  }
  return assigned;
}

function variablesOf(
  weights: readonly RecordedWeight[],
  gradients: ReadonlyMap<ValueId, ValueId>,
  assigned: ReadonlyMap<string, ValueId>,
): Variable[] {
  const variables: Variable[] = [];
  for (const { name, value, shape, layer, trainable } of weights) {
    const gradient = gradients.get(value);
    const next = assigned.get(name);
    if (gradient !== undefined && next !== undefined) {
      throw new GraphError(
        'unsupported',
        `the program assigns the trainable weight ${name} itself; make it not trainable`,
      );
    }
    const contribution = trainable ? gradient : next;
    if (contribution === undefined) continue;
    variables.push({
      index: variables.length,
      name,
      value,
      shape,
      layer,
      kind: gradient === undefined ? 'averaged' : 'trained',
      contribution,
    });
  }
  return variables;
}

function finish(
  { recording }: Session,
  parts: Pick<Graph, 'variables' | 'feeds' | 'outputs'> & { loss?: ValueId },
): Graph {
  const owned = new Set(parts.variables.map(({ value }) => value));
  const frozen: Constant[] = recording.weights
    .filter(({ value }) => !owned.has(value))
    .map(({ value, initial }) => ({ value, data: initial }));
  return fuse(
    prune({
      values: recording.values,
      nodes: recording.nodes,
      constants: [...recording.constants, ...frozen],
      draws: recording.draws.map(({ value, seed, sample }) => ({ value, distribution: distributionOf(sample, seed) })),
      layerCount: recording.layerCount,
      ...parts,
    }),
  );
}

function asGraphError(error: unknown): unknown {
  if (error instanceof GraphError) return error;
  const message = error instanceof Error ? error.message : String(error);
  const missing = /Kernel '(\w+)' not registered/.exec(message)?.[1];
  if (missing !== undefined) {
    return new GraphError(
      'unsupported',
      `${missing} cannot be computed by the engines here; write the model without it`,
      { cause: error },
    );
  }
  return new GraphError('modelFailed', `the program's model failed: ${message}`, { cause: error });
}
