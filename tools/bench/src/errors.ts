/** Why a benchmark could not be measured. */
export type BenchErrorCode = 'INVALID_ARGUMENTS' | 'PREREQUISITE' | 'SUBJECT_FAILED' | 'RESULTS' | 'README';

/** An expected failure of this tool. The message says what failed, the hint what to do. */
export class BenchError extends Error {
  readonly code: BenchErrorCode;
  readonly hint: string | undefined;

  constructor(code: BenchErrorCode, message: string, options: { hint?: string; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'BenchError';
    this.code = code;
    this.hint = options.hint;
  }
}
