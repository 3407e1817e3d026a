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
] as const;
export type FailureReason = (typeof failureReasons)[number];

/** What the kernel's mount table says of a path; learned without touching the mount. */
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
}

/** The file descriptor that a probe writes its two lines to. */
export const probeOutput = 3;

/** What a probe is asked to do; travels as its one argument, as JSON. */
export interface ProbeRequest {
  /** Absolute path of the mount. */
  readonly path: string;
  readonly checkType: CheckType;
  readonly canaryFile: string;
  readonly canaryContent: string | undefined;
  readonly minEntries: number;
  readonly fsType: string | undefined;
}

/** The first line that a probe writes, just before it touches the mount. */
export interface ProbeBegin {
  readonly begin: true;
  readonly mount: MountFacts | undefined;
}

/** The second and last line that a probe writes; the duration is the time spent on the mount. */
export type ProbeVerdict =
  | { readonly passed: true; readonly durationMs: number }
  | {
      readonly passed: false;
      readonly durationMs: number;
      readonly reason: FailureReason;
      readonly error: string;
    };
