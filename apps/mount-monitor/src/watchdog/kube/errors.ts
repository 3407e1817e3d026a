/**
 * Why the Kubernetes API did not answer. `credentials`: the service account's files are unusable; `connect`: no
 * connection or no handshake; `timeout`: the deadline passed; `closed`: the connection broke; `body`: the answer was
 * too large or not JSON; `path`: the request must not be sent; `withheld`: the caller withdrew the request before it
 * was sent; `aborted`: the watchdog was closed.
 */
export type KubeErrorCode =
  | 'credentials'
  | 'connect'
  | 'timeout'
  | 'closed'
  | 'body'
  | 'path'
  | 'withheld'
  | 'aborted';

/** A request to the Kubernetes API that got no answer. The message never contains the token. */
export class KubeError extends Error {
  readonly code: KubeErrorCode;
  readonly hint: string | undefined;

  constructor(code: KubeErrorCode, message: string, options: { hint?: string; cause?: unknown } = {}) {
    super(message, { cause: options.cause });
    this.name = 'KubeError';
    this.code = code;
    this.hint = options.hint;
  }
}
