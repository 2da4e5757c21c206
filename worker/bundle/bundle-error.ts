/** A bundle cannot be made; every problem is one sentence that says what to do. */
export class BundleError extends Error {
  override readonly name = 'BundleError';
  readonly code = 'bundleFailed';
  readonly retryable = false;
  readonly problems: readonly string[];
  constructor(problems: readonly string[], options: { cause?: unknown } = {}) {
    super(problems.join('\n'), options);
    this.problems = problems;
  }
}
