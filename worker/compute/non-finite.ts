/** A loss or a gradient is NaN or infinite: going on would only spoil the weights. */
export class NonFiniteError extends Error {
  override readonly name = 'NonFiniteError';
  readonly code = 'nonFinite';
  readonly retryable = false;
  /** Step that it belongs to, from 0. */
  readonly step: number;
  constructor(step: number, what: string) {
    super(`${what} became NaN or infinite in step ${step + 1}; lower the learning rate, or check the data for NaN`);
    this.step = step;
  }
}
