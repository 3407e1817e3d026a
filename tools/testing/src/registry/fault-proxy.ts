import { createServer, request as forward, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Transform } from 'node:stream';

/** A fault that a request meets on its way. */
export type Fault =
  | 'refused'
  | 'reset-in-request'
  | 'reset-in-response'
  | 'status-429'
  | 'status-500'
  | 'status-503'
  | 'stalled-body'
  | 'truncated-body'
  | 'changed-byte'
  | 'redirect-elsewhere'
  | 'endless-body';

/** What a request meets: a fault of the way, a registry that denies it, or a way that lets half its body through. */
export type Obstacle = Fault | 'denied' | 'half-sent';

/** A step of a publish, named by its request. */
export type Step =
  | 'blob HEAD'
  | 'upload POST'
  | 'upload PATCH'
  | 'upload PUT'
  | 'manifest PUT'
  | 'tag PUT'
  | 'tag PUT by name'
  | 'manifest GET'
  | 'manifest HEAD'
  | 'blob GET'
  | 'tags GET';

/** A proxy in front of a registry that makes requests fail. */
export interface FaultProxy {
  readonly host: string;
  /** The number of requests that met a fault. */
  readonly met: number;
  /** From now on, `choose` picks the obstacle for the nth request (from 1) of a step; undefined lets it pass. */
  inject(choose: (step: Step, nth: number) => Obstacle | undefined): void;
  close(): Promise<void>;
}

/** The step that a request belongs to; undefined for other requests, such as the ping. */
export function stepOf(method: string | undefined, path: string): Step | undefined {
  if (/\/blobs\/uploads\//.test(path)) {
    return method === 'POST' || method === 'PATCH' || method === 'PUT' ? `upload ${method}` : undefined;
  }
  if (/\/blobs\//.test(path))
    return method === 'HEAD' ? 'blob HEAD' : method === 'GET' ? 'blob GET' : undefined;
  if (/\/tags\/list/.test(path)) return 'tags GET';
  if (!/\/manifests\//.test(path)) return undefined;
  if (method === 'GET' || method === 'HEAD') return `manifest ${method}`;
  if (method !== 'PUT') return undefined;
  if (!/\/manifests\/sha256:/.test(path)) return 'tag PUT by name';
  return /[?&]tag=/.test(path) ? 'tag PUT' : 'manifest PUT';
}

/** Starts a proxy on loopback in front of a registry on loopback (`host:port`). */
export async function startFaultProxy(upstream: string): Promise<FaultProxy> {
  let choose: (step: Step, nth: number) => Obstacle | undefined = () => undefined;
  let counts = new Map<Step, number>();
  let met = 0;
  const server = createServer((request, response) => {
    const step = stepOf(request.method, request.url ?? '');
    const nth = step === undefined ? 0 : (counts.get(step) ?? 0) + 1;
    if (step !== undefined) counts.set(step, nth);
    const fault = step === undefined ? undefined : choose(step, nth);
    if (fault !== undefined) met += 1;
    apply(fault, upstream, request, response);
  });
  // As in the fake registry: no faults except the injected ones.
  server.keepAliveTimeout = 0;
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    get met() {
      return met;
    },
    inject(next) {
      choose = next;
      counts = new Map();
      met = 0;
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function apply(
  fault: Obstacle | undefined,
  upstream: string,
  request: IncomingMessage,
  response: ServerResponse,
): void {
  switch (fault) {
    case 'refused':
      // A listening port can't refuse; a connection that closes before the first byte looks the same to a client.
      request.socket.destroy();
      return;
    case 'denied':
      request.resume();
      response.writeHead(403, { 'content-type': 'application/json' });
      response.end('{"errors":[{"code":"DENIED","message":"refused for the test"}]}');
      return;
    case 'status-429':
      request.resume();
      response.writeHead(429, { 'retry-after': '1' }).end();
      return;
    case 'status-500':
      request.resume();
      response.writeHead(500).end('{}');
      return;
    case 'status-503':
      request.resume();
      response.writeHead(503).end();
      return;
    case 'redirect-elsewhere':
      request.resume();
      response.writeHead(307, { location: 'http://elsewhere.invalid/v2/steal' }).end();
      return;
    case 'reset-in-request':
      resetAfter(request, upstream);
      return;
    case 'half-sent':
      sendHalf(request, upstream);
      return;
    case 'endless-body':
      endless(request, response);
      return;
    case 'stalled-body':
      // Stalls the body of the request if it has one; otherwise that of the answer.
      if (hasBody(request)) return;
      pass(fault, upstream, request, response);
      return;
    default:
      pass(fault, upstream, request, response);
  }
}

function resetAfter(request: IncomingMessage, upstream: string): void {
  const onward = open(upstream, request);
  onward.on('error', () => {});
  let seen = 0;
  request.on('data', (chunk) => {
    seen += chunk.length;
    onward.write(chunk);
    if (seen > 1000) setImmediate(end);
  });
  const end = (): void => {
    onward.destroy();
    request.socket.resetAndDestroy();
  };
  request.on('end', end);
}

/** Passes only the first half of a body on, and answers nothing. */
function sendHalf(request: IncomingMessage, upstream: string): void {
  const onward = open(upstream, request);
  onward.on('error', () => {});
  request.socket.on('close', () => onward.destroy());
  let left = Number(request.headers['content-length']) >> 1;
  request.on('data', (chunk: Buffer) => {
    onward.write(chunk.subarray(0, left));
    left = Math.max(0, left - chunk.length);
  });
}

function endless(request: IncomingMessage, response: ServerResponse): void {
  request.resume();
  response.writeHead(200, { 'content-type': 'application/json' });
  if (request.method === 'HEAD') {
    // There is no body to make endless.
    response.end();
    return;
  }
  const filler = Buffer.alloc(64 * 1024, ' ');
  const write = (): void => {
    while (!response.destroyed && response.write(filler));
  };
  response.on('drain', write);
  write();
}

function open(upstream: string, request: IncomingMessage): ReturnType<typeof forward> {
  const [hostname, port] = upstream.split(':');
  const { method, url, headers } = request;
  return forward({ hostname, port, method, path: url, headers: { ...headers, host: upstream } });
}

function hasBody(request: IncomingMessage): boolean {
  return Number(request.headers['content-length'] ?? 0) > 0;
}

/** A transform that changes the byte in the middle of the first chunk. */
function spoiler(): Transform {
  let done = false;
  return new Transform({
    transform(chunk: Buffer, _, next) {
      const bytes = Buffer.from(chunk);
      if (!done) bytes.writeUInt8(bytes.readUInt8(bytes.length >> 1) ^ 1, bytes.length >> 1);
      done = true;
      next(null, bytes);
    },
  });
}

function pass(
  fault: Fault | undefined,
  upstream: string,
  request: IncomingMessage,
  response: ServerResponse,
): void {
  const onward = open(upstream, request);
  onward.on('error', () => response.destroy());
  request.on('error', () => onward.destroy());
  const spoils = fault === 'changed-byte' && hasBody(request);
  if (spoils) request.pipe(spoiler()).pipe(onward);
  else request.pipe(onward);
  onward.on('response', async (answer) => {
    const chunks: Buffer[] = [];
    for await (const chunk of answer) chunks.push(chunk);
    const body = Buffer.concat(chunks);
    if (fault === 'reset-in-response') {
      request.socket.resetAndDestroy();
      return;
    }
    if (fault === 'changed-byte' && !spoils && body.length > 0)
      body.writeUInt8(body.readUInt8(body.length >> 1) ^ 1, body.length >> 1);
    response.writeHead(answer.statusCode ?? 502, answer.headers);
    // An empty body can't be cut off or stalled: that would stall the next request on the connection. The answer to a
    // HEAD request can, since it is only a head.
    if (body.length === 0 && request.method !== 'HEAD') {
      response.end();
      return;
    }
    if (fault === 'stalled-body') {
      response.write(body.subarray(0, body.length >> 1));
      return;
    }
    if (fault === 'truncated-body') {
      response.write(body.subarray(0, body.length >> 1), () => request.socket.destroy());
      return;
    }
    response.end(body);
  });
}
