/**
 * Why no answer came from the Kubernetes API. `credentials`: the service account's files; `connect`: no
 * connection or no handshake; `timeout`: the deadline passed; `closed`: the connection broke; `body`: the
 * answer was too large or no JSON; `path`: a request that must not be sent; `withheld`: the caller took its
 * request back before it was sent; `aborted`: the watchdog was closed.
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

/** A request to the Kubernetes API that got no answer. The message never holds the token. */
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
