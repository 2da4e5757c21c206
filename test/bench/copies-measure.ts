import type { Engine } from '../../worker/engine/engine.ts';
import { median } from './document.ts';

/** Medians for all copies together. */
export interface CopySeconds {
  toHost: number;
  toDevice: number;
  /** As much each way at the same time. */
  bothWays: number;
}

export interface AskedCopies {
  /** Numbers of a copy. */
  elements: number;
  /** That are asked for at once, from parts of one tensor and to parts of another. */
  copies: number;
  repeats: number;
  /** Monotonic milliseconds. */
  clock: () => number;
}

/**
 * Copies between a device and pinned memory of the host, as gradients leave and sums come: until the bytes are on the host, and
 * until a kernel that is asked for behind them may use them. Throws where other numbers come than were sent.
 */
export function measureCopies(engine: Engine, { elements, copies, repeats, clock }: AskedCopies): CopySeconds {
  const all = elements * copies;
  const numbers = Float32Array.from({ length: all }, (_, at) => at % 9973);
  const [sums, gradients, probe] = [memory(all), memory(all), memory(1)] as const;
  sums.set(numbers);
  for (const pinned of [sums, gradients, probe]) engine.pin(pinned);
  const source = engine.upload(numbers, [all], 'float32');
  const target = engine.room(all);
  const parts = Array.from({ length: copies }, (_, at) => at * elements);
  const part = (of: Float32Array, first: number) => of.subarray(first, first + elements);

  const leave = () => parts.map((first) => engine.send(source, part(gradients, first), first));
  const come = () => {
    const expected = parts.map((first) => engine.expect(target, first, elements, true));
    parts.forEach((first, at) => {
      while (!engine.bring(expected[at] as number, part(sums, first)));
    });
    for (const each of expected) engine.settle(each);
    return engine.send(target, probe);
  };
  const ways: Record<keyof CopySeconds, () => number[]> = {
    toHost: leave,
    toDevice: () => [come()],
    bothWays: () => [...leave(), come()],
  };
  const timed = (ask: () => number[]) => {
    const seconds = Array.from({ length: repeats + 1 }, () => {
      const started = clock();
      for (const transfer of ask()) engine.wait(transfer);
      return (clock() - started) / 1000;
    });
    return median(seconds.slice(1)); // the first one also makes streams and events
  };
  const result = { toHost: timed(ways.toHost), toDevice: timed(ways.toDevice), bothWays: timed(ways.bothWays) };
  compare(gradients, numbers, 'host');
  compare(engine.read(target) as Float32Array, numbers, 'device');
  for (const pinned of [sums, gradients, probe]) engine.unpin(pinned);
  for (const tensor of [source, target]) engine.free(tensor);
  return result;
}

function memory(elements: number): Float32Array {
  return new Float32Array(new SharedArrayBuffer(elements * Float32Array.BYTES_PER_ELEMENT));
}

function compare(found: Float32Array, sent: Float32Array, where: string): void {
  const at = sent.findIndex((number, index) => found[index] !== number);
  if (at !== -1) throw new Error(`number ${at} on the ${where} is ${found[at]}, and ${sent[at]} was sent`);
}
