/** A health endpoint's answer, in the wording that log queries rely on. */
export interface ProbeNote {
  readonly endpoint: string;
  readonly result: string;
  readonly level: 'debug' | 'info' | 'warn';
}

/** A complete answer. */
export interface Reply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly probe?: ProbeNote;
}

/** Creates a plain text answer. */
export function text(status: number, body: string, headers: Readonly<Record<string, string>> = {}): Reply {
  return { status, headers: { 'content-type': 'text/plain; charset=utf-8', ...headers }, body };
}

const reasons: Readonly<Record<number, string>> = {
  200: 'OK',
  301: 'Moved Permanently',
  400: 'Bad Request',
  404: 'Not Found',
  405: 'Method Not Allowed',
  408: 'Request Timeout',
  431: 'Request Header Fields Too Large',
  503: 'Service Unavailable',
  505: 'HTTP Version Not Supported',
};

interface Encoded {
  readonly second: number;
  readonly variants: Map<number, Buffer>;
}

const encoded = new WeakMap<Reply, Encoded>();

/**
 * The bytes of an answer: without its body for HEAD, with `connection: close` if it is the connection's last. The same
 * answer is encoded at most once per second, so frequent requests only cost a copy.
 */
export function encode(reply: Reply, withoutBody: boolean, last: boolean): Buffer {
  const second = Math.floor(Date.now() / 1000);
  let known = encoded.get(reply);
  if (known === undefined || known.second !== second) {
    known = { second, variants: new Map() };
    encoded.set(reply, known);
  }
  const variant = (withoutBody ? 1 : 0) + (last ? 2 : 0);
  let bytes = known.variants.get(variant);
  if (bytes === undefined) {
    bytes = write(reply, second, withoutBody, last);
    known.variants.set(variant, bytes);
  }
  return bytes;
}

function write(
  { status, headers, body }: Reply,
  second: number,
  withoutBody: boolean,
  last: boolean,
): Buffer {
  const all = {
    ...headers,
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    date: new Date(second * 1000).toUTCString(),
    'content-length': String(Buffer.byteLength(body)),
    ...(last ? { connection: 'close' } : {}),
  };
  const fields = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  const head = `HTTP/1.1 ${status} ${reasons[status] ?? 'Unknown'}\r\n${fields.join('')}\r\n`;
  return Buffer.from(withoutBody ? head : head + body);
}
