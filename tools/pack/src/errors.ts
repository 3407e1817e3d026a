/** Why a package can't be packed. */
export type PackErrorCode = 'BUNDLE' | 'MANIFEST' | 'NOT_COMPILED' | 'SCOPE';

/** A package can't be packed. The message says which one, what was expected and what was found. */
export class PackError extends Error {
  override readonly name = 'PackError';
  readonly code: PackErrorCode;

  constructor(code: PackErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}
