/** Thrown if an address cannot be listened on. The message contains the address, the reason and the code. */
export class ListenError extends Error {
  readonly code: string;

  constructor(host: string | undefined, port: number, cause: NodeJS.ErrnoException) {
    const where = host === undefined ? `port ${port}` : `${host} port ${port}`;
    const why =
      cause.code === 'EADDRINUSE'
        ? 'the port is already in use by another process'
        : cause.code === 'EACCES'
          ? 'no permission to use the port'
          : cause.code === 'EADDRNOTAVAIL' || cause.code === 'ENOTFOUND'
            ? 'this machine does not have the address'
            : cause.message;
    super(`cannot listen on ${where}: ${why} (${cause.code ?? 'unknown error'})`, { cause });
    this.name = 'ListenError';
    this.code = cause.code ?? 'unknown';
  }
}
