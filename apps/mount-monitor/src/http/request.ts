/** The maximum length of a request's head, which is its first line and its headers, in bytes. */
export const MAX_HEAD_BYTES = 8 * 1024;

/** The parts of a request's head that an answer depends on. */
export interface RequestHead {
  readonly method: string;
  readonly target: string;
  /** Whether the connection may carry another request after this one. */
  readonly keepAlive: boolean;
}

/** The result of parsing the start of a connection's input. */
export type ParsedRequest =
  | { readonly kind: 'incomplete' }
  /** `length` is the head's length in bytes, including the empty lines before it. */
  | { readonly kind: 'request'; readonly head: RequestHead; readonly length: number }
  | { readonly kind: 'refused'; readonly status: 400 | 431 | 505 };

const INCOMPLETE: ParsedRequest = { kind: 'incomplete' };
const requestLine = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+) ([\x21-\x7e]+) HTTP\/(\d)\.(\d)$/;
const headerLine = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\t\x20-\x7e\x80-\xff]*)$/;

/** The last complete request. Probes and scrapers send the same one again and again. */
let latest: { readonly input: string; readonly parsed: ParsedRequest } | undefined;

/**
 * Parses the head of an HTTP/1.x request (https://www.rfc-editor.org/rfc/rfc9112#section-2) from text with one
 * character per byte. It is strict where leniency would let two parsers disagree: lines end in CRLF, no line is folded,
 * there is one Host, and no space before a colon. Bodies are not read, so a request that has one ends its connection.
 */
export function parseRequest(input: string): ParsedRequest {
  if (latest?.input === input) return latest.parsed;
  const parsed = parseHead(input);
  if (parsed.kind === 'request' && parsed.length === input.length) latest = { input, parsed };
  return parsed;
}

function parseHead(input: string): ParsedRequest {
  let start = 0;
  while (input.startsWith('\r\n', start)) start += 2;
  if (start > MAX_HEAD_BYTES) return refused(400);
  const end = input.indexOf('\r\n\r\n', start);
  if (end < 0) {
    if (input.length - start > MAX_HEAD_BYTES) return refused(431);
    // Input that cannot begin a request, such as a TLS handshake, is rejected right away.
    return start < input.length && !/^[!#$%&'*+.^_`|~0-9A-Za-z\r-]/.test(input.charAt(start))
      ? refused(400)
      : INCOMPLETE;
  }
  if (end - start > MAX_HEAD_BYTES) return refused(431);
  const lines = input.slice(start, end).split('\r\n');
  const first = requestLine.exec(lines[0] ?? '');
  if (first === null) return refused(400);
  const [, method = '', target = '', major, minor] = first;
  if (major !== '1') return refused(505);
  const headers = readHeaders(lines);
  if (headers === undefined || headers.hosts > 1 || (minor !== '0' && headers.hosts === 0))
    return refused(400);
  const keepAlive = minor !== '0' && !headers.close && !headers.body;
  return { kind: 'request', head: { method, target, keepAlive }, length: end + 4 };
}

interface Headers {
  hosts: number;
  close: boolean;
  body: boolean;
}

function readHeaders(lines: readonly string[]): Headers | undefined {
  const found: Headers = { hosts: 0, close: false, body: false };
  let contentLength: string | undefined;
  for (let index = 1; index < lines.length; index += 1) {
    const match = headerLine.exec(lines[index] ?? '');
    if (match === null) return undefined;
    const value = (match[2] ?? '').trimEnd();
    switch ((match[1] ?? '').toLowerCase()) {
      case 'host':
        found.hosts += 1;
        break;
      case 'connection':
        if (/(^|,)[ \t]*close[ \t]*(,|$)/i.test(value)) found.close = true;
        break;
      case 'transfer-encoding':
        found.body = true;
        break;
      case 'content-length':
        if (!/^\d{1,15}$/.test(value) || (contentLength !== undefined && contentLength !== value))
          return undefined;
        contentLength = value;
        if (Number(value) > 0) found.body = true;
    }
  }
  return found;
}

function refused(status: 400 | 431 | 505): ParsedRequest {
  return { kind: 'refused', status };
}
