import type { FailureReason, MountFacts } from '../probe/protocol.ts';

/** The outcome of one check. Only `passed` and `failed` say anything about the mount. */
export type CheckOutcome =
  | { readonly kind: 'passed'; readonly durationMs: number; readonly mount: MountFacts | undefined }
  | {
      readonly kind: 'failed';
      readonly reason: FailureReason;
      readonly error: string;
      /** Undefined if no probe was used. */
      readonly durationMs: number | undefined;
      readonly mount: MountFacts | undefined;
    }
  /** The probe itself could not work, so nothing is known about the mount. */
  | { readonly kind: 'inconclusive'; readonly error: string }
  /** The monitor is shutting down. */
  | { readonly kind: 'cancelled' };
