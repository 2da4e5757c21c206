/** What a rank adds to a bucket in a step: numbers of many magnitudes, so that another order of adding gives other bits. */
export function contribute(into: Float32Array, rank: number, step: number, bucket: number): void {
  let state = (rank * 0x9e3779b1 + step * 0x85ebca6b + bucket * 0xc2b2ae35 + 1) >>> 0;
  for (let i = 0; i < into.length; i++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    into[i] = ((state >>> 8) - 0x80_0000) * 2 ** (-20 - (state & 15));
  }
}
