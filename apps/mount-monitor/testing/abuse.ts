import { connect, type Socket } from 'node:net';

/**
 * A separate program that abuses a server: `node abuse.ts NAME PORT [ADDRESS]`, from a loopback address. It prints
 * `started` once the abuse has begun and `IN_TURN` once it has opened ten thousand connections, and continues until it is
 * killed.
 */
type Abuse = (open: Open) => void;
type Open = (
  onOpen: (socket: Socket) => void,
  options?: { readonly read?: boolean; readonly from?: string },
) => Socket;

/** What an abuser prints once it has opened ten thousand connections. */
export const IN_TURN = 'opened 10,000 connections';

const kubelet = 'Host: 10.0.0.1:8080\r\nUser-Agent: kube-probe/1.34\r\nAccept: */*\r\n';
const get = (path: string, more = '') => `GET ${path} HTTP/1.1\r\n${kubelet}${more}\r\n`;
const times = (count: number, act: (index: number) => void): void => {
  for (let index = 0; index < count; index += 1) act(index);
};
const every = (socket: Socket, milliseconds: number, act: () => void): void => {
  const timer = setInterval(act, milliseconds);
  socket.once('close', () => clearInterval(timer));
};

/** Opens `count` connections and replaces each one that ends. */
const keep = (
  open: Open,
  count: number,
  onOpen: (socket: Socket) => void,
  options?: Parameters<Open>[1],
): void => {
  const begin = (): void => {
    open(onOpen, options).once('close', () => setTimeout(begin, 5));
  };
  times(count, begin);
};

/** Sends the request over and over on that many connections. */
const flood = (open: Open, count: number, request: string): void =>
  keep(open, count, (socket) => {
    socket.on('data', () => socket.write(request));
    socket.write(request);
  });

export const abuses: Readonly<Record<string, Abuse>> = {
  'says nothing, on 300 connections': (open) => keep(open, 300, () => undefined),
  'sends half a request, on 300 connections': (open) =>
    keep(open, 300, (socket) => socket.write('GET /healthz/live HTTP/1.1\r\nHost: x\r\n')),
  'sends its headers a byte at a time, on 300 connections': (open) =>
    keep(open, 300, (socket) => {
      const request = get('/healthz/live');
      let sent = 0;
      every(socket, 100, () => socket.write(request.charAt(sent++) || 'x'));
    }),
  'sends a header line every 50 ms forever, on 200 connections': (open) =>
    keep(open, 200, (socket) => {
      socket.write('GET /healthz/live HTTP/1.1\r\nHost: x\r\n');
      every(socket, 50, () => socket.write('X-A: b\r\n'));
    }),
  'keeps 300 answered connections idle': (open) =>
    keep(open, 300, (socket) => socket.write(get('/healthz/live'))),
  'asks 50 times at once, over and over, on kept connections': (open) =>
    flood(open, 50, get('/healthz/live')),
  'pipelines 1,500 requests on each of 20 connections and reads nothing': (open) =>
    keep(open, 20, (socket) => socket.write(get('/healthz/live').repeat(1500)), { read: false }),
  'pipelines 1,500 requests on one connection and reads nothing': (open) =>
    keep(open, 1, (socket) => socket.write(get('/metrics').repeat(1500)), { read: false }),
  'pipelines without end and reads': (open) =>
    keep(open, 10, (socket) => {
      every(socket, 10, () => socket.write(get('/healthz/status').repeat(50)));
    }),
  'asks for all metrics on 300 connections and reads nothing': (open) =>
    keep(open, 300, (socket) => socket.write(get('/metrics')), { read: false }),
  'asks every 5 ms on 100 connections and reads nothing': (open) =>
    keep(open, 100, (socket) => every(socket, 5, () => socket.write(get('/healthz/status'))), {
      read: false,
    }),
  'reads the metrics slowly, on 100 connections': (open) =>
    keep(
      open,
      100,
      (socket) => {
        socket.write(get('/metrics').repeat(20));
        every(socket, 50, () => socket.read(100));
      },
      { read: false },
    ),
  'opens connection after connection, 10,000 in turn': (open) => {
    const begin = (): void => {
      open((socket) => socket.destroy()).once('close', begin);
    };
    times(50, begin);
  },
  'opens, asks, and closes, 10,000 in turn': (open) => {
    const begin = (): void => {
      open((socket) => {
        socket.once('data', () => socket.destroy());
        socket.write(get('/healthz/live'));
      }).once('close', begin);
    };
    times(50, begin);
  },
  'opens and resets, 10,000 in turn': (open) => {
    const begin = (): void => {
      open((socket) => {
        socket.write(get('/healthz/live'));
        socket.resetAndDestroy();
      }).once('close', begin);
    };
    times(50, begin);
  },
  'opens a thousand connections at once, again and again': (open) => keep(open, 1000, () => undefined),
  'ends its side after the request': (open) =>
    keep(open, 100, (socket) => socket.end(get('/healthz/status'))),
  'ends its side before any request': (open) => keep(open, 200, (socket) => socket.end()),
  'sends one header of a megabyte': (open) =>
    keep(open, 20, (socket) =>
      socket.write(`GET / HTTP/1.1\r\nHost: x\r\nA: ${'a'.repeat(1_000_000)}\r\n\r\n`),
    ),
  'sends ten thousand headers': (open) =>
    keep(open, 20, (socket) => socket.write(`GET / HTTP/1.1\r\nHost: x\r\n${'A: b\r\n'.repeat(10_000)}\r\n`)),
  'sends a target of a megabyte': (open) =>
    keep(open, 20, (socket) => socket.write(get(`/${'a'.repeat(1_000_000)}`))),
  'begins a TLS handshake': (open) =>
    keep(open, 100, (socket) => socket.write(Buffer.from(`160301020001${'00'.repeat(500)}`, 'hex'))),
  'speaks HTTP/2 from the start': (open) =>
    keep(open, 100, (socket) => socket.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0')),
  'sends noise': (open) =>
    keep(open, 50, (socket) => every(socket, 1, () => socket.write(Buffer.alloc(4096, Math.random() * 256)))),
  'sends a body without end, with its length': (open) =>
    keep(open, 20, (socket) => {
      socket.write(`POST /healthz/live HTTP/1.1\r\n${kubelet}Content-Length: 999999999999\r\n\r\n`);
      every(socket, 1, () => socket.write('x'.repeat(65_536)));
    }),
  'sends a body without end, in chunks': (open) =>
    keep(open, 20, (socket) => {
      socket.write(`POST /healthz/live HTTP/1.1\r\n${kubelet}Transfer-Encoding: chunked\r\n\r\n`);
      every(socket, 1, () => socket.write(`ffff\r\n${'x'.repeat(65_535)}\r\n`));
    }),
  'expects 100-continue and waits': (open) =>
    keep(open, 100, (socket) =>
      socket.write(`PUT / HTTP/1.1\r\n${kubelet}Expect: 100-continue\r\nContent-Length: 10\r\n\r\n`),
    ),
  'floods with HEAD': (open) => flood(open, 50, `HEAD /metrics HTTP/1.1\r\n${kubelet}\r\n`),
  'floods with OPTIONS': (open) => flood(open, 50, `OPTIONS /healthz/live HTTP/1.1\r\n${kubelet}\r\n`),
  'floods with unknown paths': (open) => flood(open, 50, get(`/${'%41'.repeat(500)}//x`)),
  'floods the metrics and the status': (open) => flood(open, 50, get('/metrics') + get('/healthz/status')),
  'holds every connection from ten other addresses': (open) =>
    times(10, (index) => keep(open, 100, () => undefined, { from: `127.0.1.${index + 1}` })),
};

function run(name: string, port: number, address: string | undefined): void {
  let opened = 0;
  const open: Open = (onOpen, { read = true, from = address } = {}) => {
    const socket = connect({
      host: '127.0.0.1',
      port,
      allowHalfOpen: true,
      ...(from === undefined ? {} : { localAddress: from }),
    });
    if (read) {
      socket.on('data', () => undefined);
    } else {
      // A client that does not read does not notice that it was cut off, either.
      socket.pause();
      setTimeout(() => socket.destroy(), 1000);
    }
    // Being cut off is expected.
    socket.on('error', () => undefined);
    socket.on('end', () => socket.end());
    socket.on('connect', () => {
      opened += 1;
      if (opened === 10_000) process.stdout.write(`${IN_TURN}\n`);
      onOpen(socket);
    });
    return socket;
  };
  abuses[name]?.(open);
  setTimeout(() => process.stdout.write('started\n'), 150);
  setInterval(() => undefined, 1000);
}

const [, program, name, port, address] = process.argv;
if (program?.endsWith('/abuse.ts') === true && name !== undefined) run(name, Number(port), address);
