export type GraphErrorCode = 'dataDependent' | 'noGradient' | 'unsupported' | 'modelFailed';

/** The program cannot be made a graph; the sentence names the op and what to do. */
export class GraphError extends Error {
  override readonly name = 'GraphError';
  readonly code: GraphErrorCode;
  readonly retryable = false;
  constructor(code: GraphErrorCode, message: string, options: { cause?: unknown } = {}) {
    super(message, { cause: options.cause });
    this.code = code;
  }
}
