import type { Reuse } from './measured-reuse.ts';

/** How far the engine followed the plan in one step, for people. */
export function reuseSentence({ plannedBytes, hitBytes, large, misses }: Reuse): string {
  const share = plannedBytes === 0 ? 1 : hitBytes / plannedBytes;
  const rest =
    large.buffers === 0
      ? ''
      : `, ${mib(large.hitBytes)} of ${mib(large.plannedBytes)} MiB in buffers of 1 MiB and more`;
  const [worst] = misses;
  const missed = worst && `; ${worst.name} missed most: ${mib(worst.plannedBytes - worst.hitBytes)} MiB`;
  return (
    `of ${mib(plannedBytes)} MiB that a step is planned to reuse of its own, ${mib(hitBytes)} MiB ` +
    `(${(100 * share).toFixed(1)} %) lay on memory that it had freed${rest}${missed ?? ''}`
  );
}

function mib(bytes: number): string {
  return (bytes / 2 ** 20).toFixed(1);
}
