/** Cuts [start, end) into pieces of at most `size`. */
export function pieces(start: number, end: number, size: number): { offset: number; length: number }[] {
  const count = Math.ceil((end - start) / size);
  return Array.from({ length: count }, (_, i) => {
    const offset = start + i * size;
    return { offset, length: Math.min(size, end - offset) };
  });
}

/** All ranks but `rank`, from the next one on: no two ranks start with the same destination. */
export function othersFrom(rank: number, worldSize: number): number[] {
  return Array.from({ length: worldSize - 1 }, (_, i) => (rank + 1 + i) % worldSize);
}
