import type { IncomingMessage, ServerResponse } from 'node:http';

/** A request as received. */
export interface Seen {
  readonly method: string;
  readonly url: URL;
  /** Path and query, byte for byte as received. */
  readonly target: string;
  readonly headers: IncomingMessage['headers'];
  readonly request: IncomingMessage;
  /** For a path in a repository: its name, then `manifests`, `blobs`, `tags` or `referrers`, and the rest. */
  readonly repository: string;
  readonly kind: string;
  readonly rest: string;
  /** Whether it requests a token. */
  readonly isToken: boolean;
}

/** An answer to send. */
export interface Reply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | readonly string[]>>;
  readonly body?: Buffer | string | undefined;
  /** Sent instead of everything else, for answers that Node can't express; closes the connection. */
  readonly raw?: string;
}

const PATH = /^\/v2\/(.+)\/(manifests|blobs|tags|referrers)\/(.*)$/;

export function seenOf(request: IncomingMessage, host: string): Seen {
  const target = request.url ?? '/';
  const url = new URL(target, `http://${host}`);
  const [, repository = '', kind = '', rest = ''] = PATH.exec(url.pathname) ?? [];
  const { method = 'GET', headers } = request;
  return {
    method,
    url,
    target,
    headers,
    request,
    repository,
    kind,
    rest,
    isToken: url.pathname === '/token',
  };
}

/** The complete body of a request. */
export async function bodyOf({ request }: Seen): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks);
}

export function reply(status: number, headers: Reply['headers'] = {}, body?: Reply['body']): Reply {
  return { status, headers, body };
}

export function json(status: number, value: unknown, headers: Reply['headers'] = {}): Reply {
  return { status, headers: { 'content-type': 'application/json', ...headers }, body: JSON.stringify(value) };
}

/** https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#error-codes */
export function fail(status: number, code: string, message = code.toLowerCase(), detail?: unknown): Reply {
  return json(status, { errors: [{ code, message, ...(detail === undefined ? {} : { detail }) }] });
}

export function sendReply({ request, method }: Seen, response: ServerResponse, answer: Reply): void {
  if (answer.raw !== undefined) {
    request.socket.end(answer.raw);
    return;
  }
  const headers = Object.fromEntries(
    Object.entries(answer.headers).map(([name, value]) => [
      name,
      typeof value === 'string' ? value : [...value],
    ]),
  );
  const body = answer.body === undefined ? undefined : Buffer.from(answer.body as string);
  if (headers['content-length'] === undefined && answer.status !== 204)
    headers['content-length'] = String(body?.length ?? 0);
  response.writeHead(answer.status, headers);
  response.end(method === 'HEAD' ? undefined : body);
}
