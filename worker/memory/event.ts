import type { ValueId } from '../graph/graph.ts';

/** One thing that the compute thread does. Numbers are indices into the graph's lists and bucket ids; plain data. */
export type Event =
  /** Uploads one tensor of the batch. */
  | { kind: 'feed'; feed: number; value: ValueId }
  /** Draws the step's random numbers on the host and uploads them. */
  | { kind: 'draw'; draw: number; value: ValueId }
  /**
   * Makes room on the engine for the bucket's sum, which is copied there as soon as it has arrived. `ahead`:
   * of this step's sum, which the next step takes in; else of the step before's.
   */
  | { kind: 'fetch'; bucket: number; elements: number; ahead: boolean }
  /**
   * The bucket's sum, once it has arrived, comes into the memory of the contribution that this rank sent, from its element
   * `first` on; the next step takes it in and only then frees the contribution.
   */
  | { kind: 'stay'; bucket: number; value: ValueId; first: number }
  /** Blocks until the bucket's sum has arrived. */
  | { kind: 'await'; bucket: number }
  /** Optimizer step of a trained variable, in place, from its element `first` on, from its part of the bucket's sum. */
  | { kind: 'update'; variable: number; first: number; bucket: number; offset: number; length: number }
  /** Takes this rank's own contribution, where no other rank has one, into its variable in place. */
  | { kind: 'apply'; variable: number; value: ValueId }
  /** Replaces a variable that the program assigns itself, from its element `first` on, by the mean over the ranks. */
  | { kind: 'average'; variable: number; first: number; bucket: number; offset: number; length: number }
  /** Gives back the room that was made for the bucket. */
  | { kind: 'release'; bucket: number }
  | { kind: 'run'; node: number }
  /** Copies a final contribution, or what it has from `first` on, into its part of the bucket's outgoing slot. */
  | { kind: 'handOver'; value: ValueId; first: number; bucket: number; offset: number; length: number }
  /** All parts of the bucket are in: hands it to the lanes. */
  | { kind: 'submit'; bucket: number }
  /** Copies a value to the host. */
  | { kind: 'read'; value: ValueId }
  /** Releases one handle; a buffer goes with the last handle of its root. */
  | { kind: 'free'; value: ValueId };

/** What is done in a step, before it is known how long memory is needed. */
export type Action = Exclude<Event, { kind: 'free' | 'fetch' | 'stay' | 'release' }>;

/** Events in order, with the bytes that are alive on the engine after each of them. */
export interface Stream {
  events: readonly Event[];
  liveBytes: readonly number[];
}
