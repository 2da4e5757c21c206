/**
 * Something a person can put right, said in one sentence. `exitCode` 2 = the arguments or files are wrong,
 * 1 = it did not work out.
 */
export class CommandProblem extends Error {
  override readonly name = 'CommandProblem';
  readonly code: 'BadInput' | 'InUse' | 'Insufficient' | 'Unwritable';
  readonly exitCode: 1 | 2;
  readonly retryable: boolean;

  constructor(code: CommandProblem['code'], sentence: string, cause?: unknown) {
    super(sentence, { cause });
    this.code = code;
    this.exitCode = code === 'BadInput' ? 2 : 1;
    this.retryable = code !== 'BadInput';
  }
}
