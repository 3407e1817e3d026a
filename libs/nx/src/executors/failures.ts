import { PACKAGE } from '../package.ts';
import { type Host, requireUnix, thisHost } from '../process/host.ts';
import { fillCommands, type ProjectContext } from './project-context.ts';

/** An executor's result. Nx only reads `success`; `failure` is for an executor that runs others. */
export interface ExecutorOutcome {
  readonly success: boolean;
  /** The error that was shown to the user: its code and its hint, with the project's commands filled in. */
  readonly failure?: { readonly code: string; readonly hint: string | undefined };
}

interface ExpectedError extends Error {
  readonly code: string;
  readonly hint: string | undefined;
}

/** System errors that users can act on. */
export type SystemErrorCode = 'ENOSPC' | 'EDQUOT' | 'EACCES' | 'EPERM' | 'EROFS';

const SYSTEM_HINTS: Readonly<Record<SystemErrorCode, string>> = {
  ENOSPC: 'The disk is full: free some space and run it again. Existing output is unchanged.',
  EDQUOT: 'The disk quota is used up: free some space and run it again. Existing output is unchanged.',
  EACCES: 'The folder is not writable for this user: change its owner or its mode.',
  EPERM: 'The operation is not permitted for this user: check the owner and mode of the folder.',
  EROFS: 'The file system is read-only.',
};

/**
 * Runs an executor's work. An error that users can act on becomes a message on stderr (code, message, and a hint with
 * this project's commands) and `success: false` with the code and the hint. It throws unknown errors again: they are
 * bugs.
 */
export async function reportFailures(
  context: ProjectContext,
  work: () => Promise<boolean>,
  host: Host = thisHost(),
): Promise<ExecutorOutcome> {
  try {
    requireUnix(host);
    return { success: await work() };
  } catch (error) {
    const lines = describeFailure(error, context);
    if (lines === undefined) throw error;
    for (const line of lines) console.error(line);
    return { success: false, ...(isExpected(error) && { failure: failureOf(error, context) }) };
  }
}

/**
 * The lines that report an expected error to the user: code and message, the hint, and where the code is explained.
 * Undefined for an error that is a bug.
 */
export function describeFailure(error: unknown, context: ProjectContext): readonly string[] | undefined {
  if (isExpected(error)) {
    const { code, hint } = failureOf(error, context);
    const hints = hint === undefined ? [] : hint.split('\n').map((line) => `  ${line}`);
    return [`error ${code}: ${error.message}`, ...hints, ...explanationOf(code)];
  }
  if (isSystemError(error)) {
    const hint = SYSTEM_HINTS[error.code as SystemErrorCode];
    if (hint === undefined) return undefined;
    return [`error ${error.code}: ${error.message}`, `  ${hint}`, ...explanationOf(error.code)];
  }
  return undefined;
}

function failureOf({ code, hint }: ExpectedError, context: ProjectContext) {
  return { code, hint: hint === undefined ? undefined : fillCommands(hint, context) };
}

function explanationOf(code: string): readonly string[] {
  const { documentation } = PACKAGE;
  if (documentation === undefined) return [];
  return [`  See ${documentation}/reference/errors.md#${code.toLowerCase()}`];
}

function isExpected(error: unknown): error is ExpectedError {
  return error instanceof Error && 'hint' in error && 'code' in error && typeof error.code === 'string';
}

function isSystemError(error: unknown): error is NodeJS.ErrnoException & { readonly code: string } {
  return error instanceof Error && 'syscall' in error && 'code' in error && typeof error.code === 'string';
}
