import { type Graph, rootOf, type ValueId } from '../graph/graph.ts';

/** Follows handles: a buffer comes alive with the first handle of its root and goes with the last. */
export class Buffers {
  readonly #graph: Graph;
  readonly #handles = new Map<ValueId, number>();

  constructor(graph: Graph) {
    this.#graph = graph;
  }

  /** A handle was made. Returns the root whose buffer came alive with it; undefined for one more handle of a buffer. */
  made(value: ValueId): ValueId | undefined {
    const root = rootOf(this.#graph, value);
    const before = this.#handles.get(root) ?? 0;
    this.#handles.set(root, before + 1);
    return before === 0 ? root : undefined;
  }

  /** A handle was freed. Returns the root whose buffer went with it; undefined where others hold it. */
  freed(value: ValueId): ValueId | undefined {
    const root = rootOf(this.#graph, value);
    const left = (this.#handles.get(root) ?? 0) - 1;
    this.#handles.set(root, left);
    return left === 0 ? root : undefined;
  }
}
