import type { CheckType } from '../config/schema.ts';

/** Why a check failed. */
export const failureReasons = [
  'timeout',
  'hung',
  'not_connected',
  'stale',
  'io',
  'permission',
  'missing',
  'empty',
  'content',
  'not_a_directory',
  'not_mounted',
  'wrong_fstype',
  'read_only',
] as const;
export type FailureReason = (typeof failureReasons)[number];

/** The kernel's mount table entry for a path, read without touching the mount. */
export interface MountFacts {
  /** Whether something is mounted at exactly this path. */
  readonly mounted: boolean;
  /** The mount point of the file system that contains the path. */
  readonly mountPoint: string;
  readonly fsType: string;
  /** Without the credentials of a URL. */
  readonly source: string;
  readonly mountId: number;
  /** `major:minor` of the file system, and of the one it is mounted on. */
  readonly device: string;
  readonly parentDevice: string | undefined;
  /** Whether this mount is read-only, regardless of what its file system allows. */
  readonly readOnly: boolean;
  /** The mount point of a later mount, if that hides an earlier one at exactly this path. */
  readonly hiddenBy: string | undefined;
}

/** The file descriptor of the socket for a probe's requests and answers, one JSON object per line. */
export const probeChannel = 3;

/** The prefix of a probe's name in `/proc/PID/comm`, which distinguishes it from a monitor. */
export const probeTitle = 'mm-probe';

/** A request to a probe. */
export interface ProbeRequest {
  /** The absolute path of the mount. */
  readonly path: string;
  readonly checkType: CheckType;
  readonly canaryFile: string;
  readonly canaryContent: string | undefined;
  readonly minEntries: number;
  readonly fsType: string | undefined;
  readonly writable: boolean;
}

/**
 * Identifies what at most one probe may work on or hang on: a mount. Reading the mount table does not touch the mount,
 * so a hung probe on the same path does not prevent it.
 */
export function placeOf({ path, checkType }: Pick<ProbeRequest, 'path' | 'checkType'>): string {
  return checkType === 'mountpoint' ? `table:${path}` : path;
}

/**
 * A probe's name from its first check of a place until it checks another: the prefix and 32 bits of FNV-1a (RFC 9923),
 * which together are the 15 bytes that the kernel keeps. It lets another process tell what a probe hangs on.
 */
export function titleOf(request: Pick<ProbeRequest, 'path' | 'checkType'>): string {
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(placeOf(request))) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return probeTitle + hash.toString(36).padStart(7, '0');
}

/** Written once by a probe when it is ready for its first request. */
export interface ProbeReady {
  readonly ready: true;
}

/** The first line of an answer, written right before the mount is touched. */
export interface ProbeBegin {
  readonly begin: true;
  readonly mount: MountFacts | undefined;
}

/**
 * The second and last line of an answer; the duration is the time spent on the mount. By then, everything that the
 * check opened is closed. `last` means that the probe has reached its limit and exits.
 */
export type ProbeVerdict = (
  | { readonly passed: true; readonly durationMs: number }
  | {
      readonly passed: false;
      readonly durationMs: number;
      readonly reason: FailureReason;
      readonly error: string;
    }
) & { readonly last?: true };
