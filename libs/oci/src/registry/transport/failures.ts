import { OciError } from '../../errors.ts';
import { cleanText } from '../../outside-text.ts';
import { isTransientError } from '../retry.ts';
import { redactUrl } from './address.ts';
import type { Operation } from './operation.ts';

/** A failure that may go away if retried; never leaves this library. */
export class TransientFailure extends Error {
  readonly askedMs: number | undefined;
  /** What to do about it if it persists. */
  readonly hint: string | undefined;

  constructor(
    message: string,
    options: {
      readonly askedMs?: number | undefined;
      readonly cause?: unknown;
      readonly hint?: string | undefined;
    } = {},
  ) {
    super(cleanText(message), { cause: options.cause });
    this.askedMs = options.askedMs;
    this.hint = options.hint;
  }
}

/**
 * Turns an error from the connection or a body into a failure: a transient one if a retry may help. Returns other
 * errors unchanged. `proxy` is named if the connection was to a proxy.
 */
export function connectionFailure(operation: Operation, url: URL, error: unknown, proxy?: URL): unknown {
  if (operation.signal.aborted) return operation.signal.reason;
  if (!(error instanceof Error) || error instanceof OciError || error instanceof TransientFailure)
    return error;
  const code = 'code' in error && typeof error.code === 'string' ? error.code : error.name;
  const way = proxy === undefined ? '' : ` through the proxy ${redactUrl(proxy)}`;
  const message = `${operation.name}: ${redactUrl(url)}${way}: ${error.message || code} (${code})`;
  const hint = proxy === undefined ? hintOf(code) : PROXY_HINT;
  if (isTransientError(error)) return new TransientFailure(message, { cause: error, hint });
  return new OciError('REGISTRY_UNAVAILABLE', message, { cause: error, hint: hint ?? HOST_HINT });
}

const PROXY_HINT =
  'The address is the proxy in HTTP_PROXY or HTTPS_PROXY; list hosts that need none in NO_PROXY.';

const HOST_HINT = "Check the name of the registry's host and the network, then run it again.";

function hintOf(code: string): string | undefined {
  if (/WRONG_VERSION_NUMBER|EPROTO|PACKET_LENGTH_TOO_LONG/.test(code))
    return 'The server does not speak TLS: a registry without TLS needs --plain-http.';
  return /CERT|SIGNATURE|ISSUER/.test(code)
    ? 'A registry with its own certificate authority needs --ca-file, SSL_CERT_FILE or a folder in certs.d.'
    : undefined;
}
