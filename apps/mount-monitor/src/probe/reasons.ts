import type { FailureReason } from './protocol.ts';

/** Why a check failed, and the message for people. */
export interface Failure {
  readonly reason: FailureReason;
  readonly error: string;
}

const reasons: Readonly<Record<string, FailureReason>> = {
  ENOTCONN: 'not_connected',
  ECONNABORTED: 'not_connected',
  ECONNREFUSED: 'not_connected',
  ESTALE: 'stale',
  EACCES: 'permission',
  EPERM: 'permission',
  ENOENT: 'missing',
  ENAMETOOLONG: 'missing',
  EISDIR: 'missing',
  ENOTDIR: 'not_a_directory',
  ETIMEDOUT: 'timeout',
  EROFS: 'read_only',
};

/**
 * Messages from https://man7.org/linux/man-pages/man3/errno.3.html that the runtime does not know ("unknown error").
 */
const texts: Readonly<Record<string, string>> = {
  ESTALE: 'stale file handle',
  EUCLEAN: 'structure needs cleaning',
  EREMOTEIO: 'remote I/O error',
  ENOMEDIUM: 'no medium found',
  EKEYEXPIRED: 'key has expired',
  EKEYREJECTED: 'key was rejected by service',
  ENOKEY: 'required key not available',
  EHOSTDOWN: 'host is down',
  ESHUTDOWN: 'cannot send after transport endpoint shutdown',
  ENOTUNIQ: 'name not unique on network',
  EBADFD: 'file descriptor in bad state',
};

/** Converts a file system error to a failure of the mount. */
export function failureOf(error: unknown): Failure {
  const { code = '' } = error as NodeJS.ErrnoException;
  const message = error instanceof Error ? error.message : String(error);
  const text = texts[code];
  return {
    reason: reasons[code] ?? 'io',
    error: text === undefined ? message : message.replace(/unknown error/i, text),
  };
}
