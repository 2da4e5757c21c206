import { withoutHints } from '../engine/quiet.ts';
import { generator, withRandom } from '../engine/random.ts';
import { type LayersModel, tf } from '../engine/tf.ts';
import type { TrainingProgram } from '../program/define.ts';
import { GraphError } from './graph-error.ts';
import type { WeightOrigin } from './recording.ts';

export interface CaptureRequest<P> {
  program: TrainingProgram<P>;
  parameters: P;
  /** Samples of one rank's step. */
  batchSize: number;
  /** training.seed: decides the initial weights. */
  seed: number;
}

/** Builds the program's model with TensorFlow.js's default seeds drawn from `seed`. */
export function buildModel<P>({ program, parameters, seed }: CaptureRequest<P>): LayersModel {
  const model = withoutHints(() => withRandom(generator(seed), () => program.model(tf, parameters)));
  if (model.inputs.some((input) => input.shape.slice(1).includes(null))) {
    throw new GraphError(
      'unsupported',
      'the model has an input of unknown size; give every axis but the first a number',
    );
  }
  const constrained = (model.trainableWeights as unknown as WeightHolder[]).find(
    ({ constraint }) => constraint !== null,
  );
  if (constrained !== undefined) {
    throw new GraphError(
      'unsupported',
      `${constrained.originalName} has a constraint; constraints are not applied in training here, remove it`,
    );
  }
  return model;
}

interface WeightHolder {
  val: { dataId: object };
  originalName: string;
  trainable: boolean;
  constraint: object | null;
}

/** Which layer every weight belongs to, by the data it holds now. Names do not depend on what else the process built. */
export function weightOrigins(model: LayersModel): Map<object, WeightOrigin> {
  const origins = new Map<object, WeightOrigin>();
  const trainable = new Set<unknown>(model.trainableWeights);
  const ordinals = new Map<string, number>();
  leafLayers(model).forEach((layer, owner) => {
    const kind = layer.getClassName().toLowerCase();
    const ordinal = (ordinals.get(kind) ?? 0) + 1;
    ordinals.set(kind, ordinal);
    const given = !layer.name.endsWith(layer.getClassName() + (/\d+$/.exec(layer.name)?.[0] ?? ''));
    const prefix = given ? layer.name : `${kind}${ordinal}`;
    for (const weight of layer.weights as unknown as WeightHolder[]) {
      const name = unused(origins, `${prefix}/${weight.originalName.split('/').at(-1)}`);
      origins.set(weight.val.dataId, { name, owner, trainable: trainable.has(weight) });
    }
  });
  return origins;
}

type Layer = LayersModel['layers'][number];

/** Layers without those that hold other layers. */
export function leafLayers(model: LayersModel): Layer[] {
  return model.layers.flatMap((layer) => {
    const inner = (layer as Partial<Pick<LayersModel, 'layers'>>).layers;
    return Array.isArray(inner) && inner.length > 0 ? leafLayers(layer as unknown as LayersModel) : [layer];
  });
}

function unused(origins: ReadonlyMap<object, WeightOrigin>, name: string): string {
  const taken = new Set([...origins.values()].map((origin) => origin.name));
  let candidate = name;
  for (let n = 2; taken.has(candidate); n++) candidate = `${name}_${n}`;
  return candidate;
}
