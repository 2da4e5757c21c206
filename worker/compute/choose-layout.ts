import type { Engine, ImageFormat } from '../engine/engine.ts';
import type { Graph, Value } from '../graph/graph.ts';
import { layOut } from '../graph/layout.ts';
import type { Plan } from '../memory/plan.ts';
import { chooseWorkspaces } from '../memory/workspaces.ts';

/** How a training's convolutions are computed, and why. */
export interface Layout {
  images: ImageFormat;
  /** Of convolutions and of the transposes around them, a step. */
  milliseconds: number;
  /** The largest that a convolution may hold. */
  workspaceBytes: number;
  /** In sentences, for people; what they rest on was measured, so that ranks may say different things. */
  reasons: readonly string[];
}

/** A graph as it is computed; without a layout as it was captured. */
export interface LaidOut {
  graph: Graph;
  layout?: Layout;
}

/** Share of time that another layout than the first must save to be taken: ranks measure alike, but not the same. */
const worthwhile = 0.05;
/** What a Transpose reads and writes on a GPU. */
const bytesPerMillisecond = 2e9;

/**
 * Lays `graph` out for the engine's convolutions in the format of pictures in which they take least time, with workspaces
 * that the plan has room for. The engine's first format is taken unless another is 5 % faster.
 */
export function chooseLayout(engine: Engine, graph: Graph, planOf: (graph: Graph) => Plan): LaidOut {
  const tried = engine.imageFormats.flatMap((images) => tryOut(engine, graph, images, planOf) ?? []);
  const [first, ...others] = tried;
  if (first === undefined) return { graph };
  const quick = others.filter(({ milliseconds }) => milliseconds <= (1 - worthwhile) * first.milliseconds);
  const best = quick.toSorted((a, b) => a.milliseconds - b.milliseconds)[0] ?? first;
  const { images, milliseconds, workspaces } = best;
  const laid = withWorkspaces(best.graph, workspaces.workspaceBytes);
  const workspaceBytes = Math.max(0, ...workspaces.workspaceBytes.values());
  const reasons = [layoutReason(best, tried), workspaces.reason];
  return { graph: laid, layout: { images, milliseconds, workspaceBytes, reasons } };
}

type Tried = NonNullable<ReturnType<typeof tryOut>>;

/** Undefined where there is no convolution to lay out. */
function tryOut(engine: Engine, plain: Graph, images: ImageFormat, planOf: (graph: Graph) => Plan) {
  const graph = layOut(plain, images);
  const shapes = (id: number) => graph.values[id] as Value;
  const convolutions = graph.nodes.filter(({ attrs }) => attrs['filterFormat'] !== undefined);
  if (convolutions.length === 0) return undefined;
  const workspaces = chooseWorkspaces({
    plan: planOf(graph),
    nodeBytes: (node) => engine.runBytes(graph.nodes[node] as Graph['nodes'][number], shapes),
    ways: new Map(convolutions.map((node) => [node.id, engine.algorithms(node, shapes)])),
  });
  const milliseconds = workspaces.milliseconds + addedBytes(plain, graph) / bytesPerMillisecond;
  return { images, graph, workspaces, milliseconds };
}

/** Bytes that the transposes read and write which `laid` has beyond `plain`. */
function addedBytes(plain: Graph, laid: Graph): number {
  return laid.values.slice(plain.values.length).reduce((sum, { bytes }) => sum + 2 * bytes, 0);
}

function withWorkspaces(graph: Graph, workspaceBytes: ReadonlyMap<number, number>): Graph {
  const nodes = graph.nodes.map((node) => {
    const bytes = workspaceBytes.get(node.id);
    return bytes === undefined ? node : { ...node, attrs: { ...node.attrs, workspaceBytes: bytes } };
  });
  return { ...graph, nodes };
}

function layoutReason(best: Tried, tried: readonly Tried[]): string {
  const time = ({ milliseconds }: Tried) => `${milliseconds.toFixed(1)} ms`;
  const others = tried.filter((each) => each !== best);
  if (others.length === 0) return `pictures lie in ${best.images}, which is the only layout to choose from`;
  const against = others.map((other) => {
    const isFaster = other.milliseconds < best.milliseconds;
    return `${time(other)} in ${other.images}${isFaster ? `, which is not ${100 * worthwhile} % faster` : ''}`;
  });
  return `pictures lie in ${best.images}: ${time(best)} a step for convolutions and transposes, ${against.join(', ')}`;
}
