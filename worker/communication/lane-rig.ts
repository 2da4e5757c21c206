import { layArena } from './arena.ts';
import type { ExchangeError } from './exchange.ts';
import { fenceHash } from './fence.ts';
import { Lane } from './lane.ts';
import { sharedMemory } from './reduce/kernel.ts';
import type { ExchangePlan } from './schedule/types.ts';
import { SharedState } from './shared-state.ts';
import { createMemoryTransports } from './transport/memory.ts';

export const rigFence = fenceHash({ jobUid: 'job', attempt: 1, incarnation: 'a' });

/** One rank of a {@link LaneRig}, with the compute thread's part left to the test. */
export interface RigRank {
  /** The first one. */
  lane: Lane;
  state: SharedState;
  outgoing(bucket: number): Float32Array;
  sum(bucket: number): Float32Array;
  submit(bucket: number): void;
  failure: ExchangeError | undefined;
}

/** The lanes of a whole group in one thread; messages lie in `mail` until the test delivers them, in any order. */
export interface LaneRig {
  ranks: RigRank[];
  mail: (() => void)[];
  /** Milliseconds that the lanes see. */
  clock: { now: number };
}

export function rigLanes(plan: ExchangePlan, { timeoutMs = 1000, lanes = 1 } = {}): LaneRig {
  const { worldSize } = plan;
  const mail: (() => void)[] = [];
  const clock = { now: 0 };
  const transports = Array.from({ length: lanes }, () =>
    createMemoryTransports(worldSize, (deliver) => mail.push(deliver)),
  );
  const ranks = Array.from({ length: worldSize }, (_, rank): RigRank => {
    const arena = layArena(plan, rank, lanes);
    const memory = sharedMemory(arena.bytes);
    const state = new SharedState(memory.buffer, arena.stateOffset, plan.buckets.length);
    for (const { id } of plan.buckets) state.prepare(id, arena.slots[id]!.lanes.length);
    const own = transports.map((group, index) => {
      const transport = group[rank]!;
      const onFailure = (error: ExchangeError) => {
        self.failure ??= error;
      };
      const now = () => clock.now;
      const lane = new Lane({
        lane: index,
        rank,
        worldSize,
        fence: rigFence,
        timeoutMs,
        transport,
        now,
        onFailure,
      });
      void transport.connect([], 0, lane);
      return lane;
    });
    const view = (offset: number, bucket: number) =>
      new Float32Array(memory.buffer, offset, plan.buckets[bucket]!.elements);
    const self: RigRank = {
      lane: own[0]!,
      state,
      outgoing: (bucket) => view(arena.slots[bucket]!.outgoing, bucket),
      sum: (bucket) => view(arena.slots[bucket]!.result, bucket),
      submit(bucket) {
        state.submit(bucket);
        for (const lane of arena.slots[bucket]!.lanes) own[lane]!.submitted(bucket);
      },
      failure: undefined,
    };
    for (const lane of own) lane.open(plan, arena, memory);
    return self;
  });
  return { ranks, mail, clock };
}

/** Delivers everything, in the order in which it was sent. */
export function deliverAll({ mail }: LaneRig): void {
  for (let deliver = mail.shift(); deliver !== undefined; deliver = mail.shift()) deliver();
}
