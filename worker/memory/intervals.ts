/** Addresses from `start` to before `end`. */
export interface Interval {
  start: number;
  end: number;
}

/** A set of addresses. */
export class Intervals {
  /** In order; neither overlapping nor touching. */
  #parts: Interval[] = [];

  add({ start, end }: Interval): void {
    if (start >= end) return;
    const joined = this.#parts.filter((part) => part.start <= end && part.end >= start);
    const whole = {
      start: Math.min(start, ...joined.map((part) => part.start)),
      end: Math.max(end, ...joined.map((part) => part.end)),
    };
    const before = this.#parts.filter((part) => part.end < start);
    const after = this.#parts.filter((part) => part.start > end);
    this.#parts = [...before, whole, ...after];
  }

  remove({ start, end }: Interval): void {
    this.#parts = this.#parts.flatMap((part) => {
      if (part.end <= start || part.start >= end) return [part];
      const rest = [
        { start: part.start, end: start },
        { start: end, end: part.end },
      ];
      return rest.filter((piece) => piece.start < piece.end);
    });
  }

  /** Addresses of `interval` that are in the set. */
  overlap(interval: Interval): number {
    return this.#parts.reduce((sum, part) => sum + overlapOf(part, interval), 0);
  }
}

/** Addresses that are in both. */
export function overlapOf(a: Interval, b: Interval): number {
  return Math.max(0, Math.min(a.end, b.end) - Math.max(a.start, b.start));
}
