import { mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import { type AddressInfo, createServer as createTcpServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeCertificates } from './certificates.ts';
import type { FakeCluster } from './cluster.ts';

/** A fake cluster behind a real TLS socket, and the files that a pod would have. */
export interface FakeKubeServer {
  readonly host: string;
  readonly port: number;
  /** The folder with `ca.crt`, `token` and `namespace`, as in a pod. */
  readonly serviceAccountDir: string;
  /** The variables that the kubelet sets. */
  readonly env: Readonly<Record<string, string>>;
  /** Replaces the token in the folder; from then on, the cluster accepts only the new one. */
  rotateToken(token: string): Promise<void>;
  /** Accepts connections but never completes a handshake. */
  freezeHandshakes(frozen: boolean): void;
  close(): Promise<void>;
}

/** Starts the server on a free loopback port. */
export async function startFakeKubeServer(
  cluster: FakeCluster,
  host: '127.0.0.1' | '::1' = '127.0.0.1',
): Promise<FakeKubeServer> {
  const folder = await mkdtemp(join(tmpdir(), 'fake-kube-'));
  const { keyPath, certificatePath } = await makeCertificates(folder);
  const serviceAccountDir = folder;
  const rotateToken = async (token: string): Promise<void> => {
    cluster.tokens.clear();
    cluster.tokens.add(token);
    await writeFile(join(folder, 'token.new'), `${token}\n`);
    await rename(join(folder, 'token.new'), join(folder, 'token'));
  };
  await writeFile(join(folder, 'namespace'), cluster.namespace);
  await rotateToken('token-1');

  const sockets = new Set<Socket>();
  let frozen = false;
  const server = createServer(
    { key: await readFile(keyPath), cert: await readFile(certificatePath) },
    (request, response) => {
      serve(cluster, request, response);
    },
  );
  // TCP in front of TLS, so that a handshake can go unanswered.
  const front = createTcpServer((socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => socket.destroy());
    if (!frozen) server.emit('connection', socket);
  });
  await new Promise<void>((resolve, reject) => {
    front.once('error', reject);
    front.listen(0, host, resolve);
  });
  const { port } = front.address() as AddressInfo;
  return {
    host,
    port,
    serviceAccountDir,
    env: { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: String(port) },
    rotateToken,
    freezeHandshakes(value) {
      frozen = value;
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => front.close(resolve));
      await rm(folder, { recursive: true, force: true });
    },
  };
}

function serve(cluster: FakeCluster, request: IncomingMessage, response: ServerResponse): void {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    const outcome = cluster.handle({
      method: request.method ?? '',
      path: new URL(request.url ?? '/', 'https://kube').pathname,
      authorization: request.headers.authorization,
      contentType: request.headers['content-type'],
      body: Buffer.concat(chunks).toString('utf8'),
    });
    switch (outcome.kind) {
      case 'reset':
        request.socket.destroy();
        return;
      case 'silence':
        return;
      case 'truncated':
        response.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': '1000' });
        response.write('{"kind":');
        setTimeout(() => request.socket.destroy(), 20);
        return;
      case 'flood':
        response.writeHead(200, { 'Content-Type': 'application/json' });
        response.end(Buffer.alloc(8 * 1024 * 1024, 0x20));
        return;
      case 'reply':
        response.writeHead(outcome.status, { 'Content-Type': 'application/json', ...outcome.headers });
        response.end(JSON.stringify(outcome.body));
    }
  });
}
