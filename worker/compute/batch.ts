import type { HostData } from '../engine/engine.ts';
import type { Feed, Graph, Value } from '../graph/graph.ts';
import type { Batch } from '../program/define.ts';
import { ProgramError, threw } from '../program/program-error.ts';

/** Batches of a program, one at a time; what the program throws comes out as a {@link ProgramError}. */
export async function* batchesOf(
  part: 'data' | 'evaluate',
  make: () => AsyncIterable<Batch> | Iterable<Batch>,
): AsyncGenerator<Batch, void, undefined> {
  try {
    yield* make();
  } catch (error) {
    throw threw(part, error);
  }
}

/**
 * The tensors of a batch in the order of the graph's feeds. Throws {@link ProgramError} that names every tensor that is
 * missing or has the wrong length or numbers; `which` tells the batch.
 */
export function feedsOf(graph: Graph, batch: Batch, which: string): HostData[] {
  const problems: string[] = [];
  const feeds = graph.feeds.map((feed) => {
    const data = tensorOf(graph, feed, batch);
    problems.push(...problemsOf(graph, feed, data));
    return data ?? new Float32Array();
  });
  if (problems.length > 0) throw new ProgramError('badBatch', `${which}: ${problems.join('; ')}`);
  return feeds;
}

function tensorOf(graph: Graph, feed: Feed, { x, y }: Batch): HostData | undefined {
  if (feed.name === 'y' && graph.feeds.at(-1) === feed) return y;
  return ArrayBuffer.isView(x) ? x : x[feed.name];
}

function problemsOf(graph: Graph, { name, value }: Feed, data: HostData | undefined): string[] {
  const { shape, dtype } = graph.values[value] as Value;
  const elements = shape.reduce((product, size) => product * size, 1);
  if (!(data instanceof Float32Array || data instanceof Int32Array)) {
    return [`${name} must be a Float32Array or an Int32Array of shape [${shape.join(', ')}]`];
  }
  if (data.length !== elements) {
    return [`${name} has ${data.length} numbers where shape [${shape.join(', ')}] needs ${elements}`];
  }
  const classes = dtype === 'int32' ? classesOf(graph, value) : undefined;
  const wrong = classes === undefined ? undefined : data.find((label) => !(label >= 0 && label < classes));
  return wrong === undefined ? [] : [`${name} has class ${wrong} where the model knows 0 … ${(classes ?? 1) - 1}`];
}

/** How many classes the labels in `value` choose from, where a loss by name says so. */
function classesOf(graph: Graph, value: number): number | undefined {
  const root = (id: unknown) => graph.values[id as number]?.aliasOf ?? id;
  const loss = graph.nodes.find(
    ({ kernel, inputs }) => kernel === 'SoftmaxCrossEntropy' && root(inputs['labels']) === value,
  );
  return loss === undefined ? undefined : graph.values[loss.inputs['logits'] as number]?.shape.at(-1);
}
