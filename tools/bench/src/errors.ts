/** What kept a benchmark from being measured. */
export type BenchErrorCode = 'INVALID_ARGUMENTS' | 'PREREQUISITE' | 'SUBJECT_FAILED' | 'RESULTS' | 'README';

/** Every expected failure of this tool: the message says what, the hint what to do. */
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
