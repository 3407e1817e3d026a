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

/** What the kernel's mount table says about a path; learned without touching the mount. */
export interface MountFacts {
  /** Whether something is mounted at this very path. */
  readonly mounted: boolean;
  /** Where the file system that holds the path is mounted. */
  readonly mountPoint: string;
  readonly fsType: string;
  /** Credentials in a URL are left out. */
  readonly source: string;
  readonly mountId: number;
  /** `major:minor` of the file system, and of the one that it is mounted on. */
  readonly device: string;
  readonly parentDevice: string | undefined;
  /** Whether this mount was made read-only, whatever the file system behind it allows. */
  readonly readOnly: boolean;
  /** Where a mount hides one that was made at this very path before it: the mount point of the later one. */
  readonly hiddenBy: string | undefined;
}

/** The file descriptor of the socket on which a probe is asked and answers, one JSON object a line. */
export const probeChannel = 3;

/** How what a probe calls itself in `/proc/PID/comm` begins, so that it can be told from a monitor. */
export const probeTitle = 'mm-probe';

/** What a probe is asked to do. */
export interface ProbeRequest {
  /** Absolute path of the mount. */
  readonly path: string;
  readonly checkType: CheckType;
  readonly canaryFile: string;
  readonly canaryContent: string | undefined;
  readonly minEntries: number;
  readonly fsType: string | undefined;
  readonly writable: boolean;
}

/**
 * What at most one probe may run or hang for: a mount. A look at the mount table does not touch the mount, so a
 * hung probe of the same path does not keep it from running.
 */
export function placeOf({ path, checkType }: Pick<ProbeRequest, 'path' | 'checkType'>): string {
  return checkType === 'mountpoint' ? `table:${path}` : path;
}

/**
 * What a probe calls itself from the first check of a place until that of another: its name and 32 bits of FNV-1a
 * (RFC 9923), which are the 15 bytes that the kernel keeps. Another process can so tell what a probe hangs on.
 */
export function titleOf(request: Pick<ProbeRequest, 'path' | 'checkType'>): string {
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(placeOf(request))) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return probeTitle + hash.toString(36).padStart(7, '0');
}

/** What a probe writes once, when it waits for its first request. */
export interface ProbeReady {
  readonly ready: true;
}

/** The first line of an answer, written just before the mount is touched. */
export interface ProbeBegin {
  readonly begin: true;
  readonly mount: MountFacts | undefined;
}

/**
 * The second and last line of an answer; the duration is the time spent on the mount. Everything that the check opened
 * is closed by then. `last` says that the probe has served long enough and ends.
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
