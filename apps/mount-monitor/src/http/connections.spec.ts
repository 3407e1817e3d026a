import { connect, createServer, type Server, type Socket } from 'node:net';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { Connections, type ConnectionsOptions, connectionsFor } from './connections.ts';
import { text } from './reply.ts';

const closing: (() => void)[] = [];
afterEach(() => {
  for (const close of closing.splice(0)) close();
});

async function serve(
  maxConnections: number,
  body = 'hello\n',
  options: Pick<ConnectionsOptions, 'unsent' | 'collectGarbage'> = {},
) {
  const answer = () => text(200, body);
  const connections = new Connections({ maxConnections, answer, ...options });
  const server: Server = createServer({ allowHalfOpen: true }, (socket) => connections.admit(socket));
  await new Promise<void>((resolve) => server.listen(0, resolve));
  closing.push(() => server.close());
  const { port } = server.address() as { port: number };
  const open = async (from = '127.0.0.1'): Promise<Socket & { received: string }> => {
    const socket = Object.assign(connect({ host: '127.0.0.1', port, localAddress: from }), { received: '' });
    socket.on('error', () => undefined);
    socket.on('data', (chunk: Buffer) => {
      socket.received += chunk.toString();
    });
    closing.push(() => socket.destroy());
    await new Promise((resolve) => socket.once('connect', resolve));
    return socket;
  };
  return { connections, open };
}

const request = 'GET / HTTP/1.1\r\nHost: x\r\n\r\n';
const until = async (holds: () => boolean): Promise<void> => {
  const end = performance.now() + 10_000;
  while (!holds()) {
    if (performance.now() > end) throw new Error('timed out');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
};

describe('connections', () => {
  it('the connection limit depends on the descriptors', () => {
    expect([connectionsFor(40), connectionsFor(256), connectionsFor(1_000_000)]).toEqual([8, 96, 256]);
  });

  it('at the limit, a new connection replaces the one that has been quiet the longest', async () => {
    const { connections, open } = await serve(3);
    const first = await open();
    const second = await open();
    const third = await open();
    // The first client has been active in the meantime.
    first.write(request);
    await until(() => first.received.endsWith('hello\n'));
    const newcomer = await open();
    newcomer.write(request);
    await until(() => newcomer.received.endsWith('hello\n') && second.destroyed);
    expect([first.destroyed, third.destroyed]).toEqual([false, false]);
    expect(connections.counts()).toMatchObject({ open: 3, accepted: 4 });
    expect(connections.counts().cut.get('evicted')).toBe(1);
  });

  it('at the limit, a connection of the address with the most is closed', async () => {
    const { open } = await serve(4);
    const kubelet = await open('127.0.0.2');
    const crowd: Socket[] = [];
    for (let index = 0; index < 12; index += 1) crowd.push(await open());
    await until(() => crowd.filter(({ destroyed }) => destroyed).length >= 9);
    kubelet.write(request);
    await until(() => kubelet.received.endsWith('hello\n'));
  });

  it('pipelined requests are answered in order, and clients that are too far ahead are cut', async () => {
    const { connections, open } = await serve(4);
    const fair = await open();
    fair.write(request.repeat(40));
    await until(() => fair.received.split('hello\n').length === 41);
    const greedy = await open();
    greedy.write(request.repeat(5000));
    await until(() => greedy.destroyed);
    expect(connections.counts().cut.get('pipelining')).toBe(1);
  });

  it('the unread bytes of all clients together are bounded', async () => {
    const { connections, open } = await serve(64, 'x'.repeat(1024 * 1024));
    const readers = await Promise.all(Array.from({ length: 20 }, () => open()));
    for (const reader of readers) {
      reader.pause();
      reader.write(request);
    }
    await until(() => (connections.counts().cut.get('memory') ?? 0) > 0);
    const late = await open();
    late.write(request);
    await until(() => late.received.length > 1024 * 1024);
  });

  it('clients that read are never cut, no matter how many read at once', async () => {
    const { connections, open } = await serve(64, 'x'.repeat(30_000));
    const clients = await Promise.all(Array.from({ length: 20 }, () => open()));
    // All clients proceed in step, so they use up their shares at the same time.
    for (
      let round = 1;
      clients.every(({ received }) => !received.includes('connection: close'));
      round += 1
    ) {
      for (const client of clients) client.write(request);
      await until(() =>
        clients.every(({ received, destroyed }) => destroyed || received.length > round * 30_000),
      );
    }
    for (const { received } of clients) expect(received).toContain('connection: close');
    expect(connections.counts().cut.get('memory')).toBe(0);
  });

  it('to free memory, clients that do not read, according to the kernel, are cut, and others are kept', async () => {
    const answerBytes = 100_000;
    const paused = new Set<number | undefined>();
    const { connections, open } = await serve(256, 'x'.repeat(answerBytes), {
      // A client of another address may have the same port.
      unsent: ({ remoteAddress, remotePort }) =>
        remoteAddress?.endsWith('127.0.0.1') && paused.has(remotePort) ? Number.POSITIVE_INFINITY : 0,
    });
    const reader = await open('127.0.0.2');
    const ask = async (time: number): Promise<void> => {
      reader.write(request);
      await until(() => reader.destroyed || reader.received.length > time * answerBytes);
    };
    for (let time = 1; time <= 3; time += 1) await ask(time);
    // More than the unread limit, held by clients that were all active more recently than the one that reads.
    const crowd = await Promise.all(Array.from({ length: 100 }, () => open()));
    for (const client of crowd) {
      client.pause();
      paused.add(client.localPort);
      client.write(request);
    }
    await until(() => (connections.counts().cut.get('memory') ?? 0) > 0);
    await ask(4);
    expect(reader.destroyed).toBe(false);
    expect(reader.received).not.toContain('connection: close');
  });

  it('garbage is collected only after enough bytes were sent and received', async () => {
    const collectGarbage = vi.fn();
    const answerBytes = 1024 * 1024;
    const { open } = await serve(4, 'x'.repeat(answerBytes), { unsent: () => 0, collectGarbage });
    const client = await open();
    for (let answers = 1; answers <= 3; answers += 1) {
      client.write(request);
      await until(() => client.received.length > answers * answerBytes);
    }
    expect(collectGarbage).not.toHaveBeenCalled();
    client.write(request);
    await until(() => client.received.length > 4 * answerBytes);
    expect(collectGarbage).toHaveBeenCalledTimes(1);
    // A client is still read from for a while after its last answer.
    for (let clients = 0; clients < 1000 && collectGarbage.mock.calls.length < 2; clients += 1) {
      const noisy = await open();
      noisy.write(`GET / HTTP/1.1\r\nHost: x\r\nX: ${'x'.repeat(300_000)}`);
      await until(() => noisy.destroyed);
    }
    expect(collectGarbage).toHaveBeenCalledTimes(2);
  });

  it('garbage is collected four times as often if clients send a lot', async () => {
    const collectGarbage = vi.fn();
    const { open } = await serve(4, 'hello\n', { collectGarbage });
    let clients = 0;
    for (; clients < 100 && collectGarbage.mock.calls.length === 0; clients += 1) {
      const noisy = await open();
      noisy.write(`GET / HTTP/1.1\r\nHost: x\r\nX: ${'x'.repeat(300_000)}`);
      await until(() => noisy.destroyed);
    }
    expect(clients).toBeLessThan(20);
  });

  it('garbage is collected after enough connections, even if nothing was sent over them', async () => {
    const collectGarbage = vi.fn();
    const { connections, open } = await serve(4, 'hello\n', { collectGarbage });
    for (let count = 1; count <= 255; count += 1) (await open()).destroy();
    await until(() => connections.counts().accepted === 255);
    expect(collectGarbage).not.toHaveBeenCalled();
    await open();
    await until(() => collectGarbage.mock.calls.length === 1);
  });

  it('a connection ends, as its last answer announces, once enough bytes were sent over it', async () => {
    const { open } = await serve(4, 'x'.repeat(100_000));
    const client = await open();
    let answers = 0;
    client.on('data', () => {
      const complete = client.received.split('HTTP/1.1 200').length - 1;
      if (complete > answers && client.received.length >= complete * 100_000) {
        answers = complete;
        if (!client.received.includes('connection: close')) client.write(request);
      }
    });
    client.write(request);
    await until(() => client.readableEnded || client.destroyed);
    expect(answers).toBeGreaterThan(1);
    expect(client.received).toContain('connection: close');
  });
});
