/** Staging cannot go on; every problem is one sentence that says what to do. */
export class StagingError extends Error {
  override readonly name = 'StagingError';
  readonly code = 'stagingFailed';
  readonly retryable: boolean;
  readonly problems: readonly string[];
  constructor(problems: readonly string[], options: { retryable?: boolean; cause?: unknown } = {}) {
    super(problems.join('\n'), { cause: options.cause });
    this.problems = problems;
    this.retryable = options.retryable ?? false;
  }
}
