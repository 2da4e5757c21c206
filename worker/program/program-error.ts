export type ProgramErrorCode = 'moduleMissing' | 'moduleFailed' | 'notAProgram' | 'threw' | 'badOptimizer' | 'badBatch';

/** The training program is wrong; the sentence says where and what to do. */
export class ProgramError extends Error {
  override readonly name = 'ProgramError';
  readonly code: ProgramErrorCode;
  readonly retryable = false;
  constructor(code: ProgramErrorCode, message: string, options: { cause?: unknown } = {}) {
    super(message, { cause: options.cause });
    this.code = code;
  }
}

/** What a person configured does not fit the program or its checkpoint. All problems at once. */
export class ConfigurationError extends Error {
  override readonly name = 'ConfigurationError';
  readonly code: 'badParameters' | 'stateMismatch';
  readonly retryable = false;
  readonly problems: readonly string[];
  constructor(code: ConfigurationError['code'], problems: readonly string[]) {
    super(problems.join('; '));
    this.code = code;
    this.problems = problems;
  }
}

/** Runs code of the program; whatever it throws becomes a {@link ProgramError} that names `part`. */
export function ofProgram<T>(part: string, body: () => T): T {
  try {
    return body();
  } catch (error) {
    throw threw(part, error);
  }
}

/** What `error`, thrown by the program's `part`, is reported as. */
export function threw(part: string, error: unknown): ProgramError {
  if (error instanceof ProgramError) return error;
  const message = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  return new ProgramError('threw', `${part} of the training program threw ${message}`, { cause: error });
}
