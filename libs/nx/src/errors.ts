/** Why an executor could not do its work. */
export type PrebuiltErrorCode =
  | 'ARTIFACT_CHANGED'
  | 'BASE_IMAGE'
  | 'BUILDER'
  | 'BUILD_METADATA'
  | 'COMPILE_FAILED'
  | 'CONFIGURATION'
  | 'ENGINE'
  | 'GITHUB'
  | 'HOST'
  | 'IMAGE_INCOMPLETE'
  | 'INTERRUPTED'
  | 'INVALID_CHECKSUMS'
  | 'INVALID_MANIFEST'
  | 'INVALID_NAME'
  | 'INVALID_OPTIONS'
  | 'INVALID_PLATFORM'
  | 'INVALID_RECORD'
  | 'INVALID_REPORT'
  | 'INVALID_TAG'
  | 'INVALID_VERSION'
  | 'LOCKFILE'
  | 'MANIFEST_MISSING'
  | 'OUTPUT'
  | 'PROOF_REDUCED'
  | 'PUBLISH'
  | 'READ_BACK'
  | 'RELEASE_CONFLICT'
  | 'RELEASE_INCOMPLETE'
  | 'RUNTIME_INTEGRITY'
  | 'RUNTIME_UNAVAILABLE'
  | 'SBOM'
  | 'SEVERAL_VERSION_TAGS'
  | 'SIGN'
  | 'INVALID_SIGNATURE'
  | 'SYSROOT'
  | 'SYSROOT_INTEGRITY'
  | 'SYSROOT_UNAVAILABLE'
  | 'TAG_EXISTS'
  | 'TOOLCHAIN'
  | 'UNCOMMITTED'
  | 'UNKNOWN_HISTORY'
  | 'VERIFY_REPORT'
  | 'VERSION';

/** An executor could not do its work. The message names the subject, what was expected and what was found. */
export class PrebuiltError extends Error {
  override readonly name = 'PrebuiltError';
  readonly code: PrebuiltErrorCode;
  /** What the user can do about it. */
  readonly hint: string | undefined;

  constructor(
    code: PrebuiltErrorCode,
    message: string,
    options: { readonly hint?: string; readonly cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.hint = options.hint;
  }
}
