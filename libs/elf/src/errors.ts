/** What is wrong with an ELF file. */
export type ElfErrorCode = 'NOT_ELF' | 'TRUNCATED' | 'MALFORMED';

/**
 * A file that can't be read as ELF: it is another format, truncated, or has offsets and counts that contradict its
 * size.
 */
export class ElfError extends Error {
  override readonly name = 'ElfError';
  readonly code: ElfErrorCode;
  /** What the user can do about it. */
  readonly hint: string | undefined;

  constructor(
    code: ElfErrorCode,
    message: string,
    options: { readonly hint?: string; readonly cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.hint = options.hint;
  }
}
