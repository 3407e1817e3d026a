import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { digestOf } from '../../digest.ts';
import { createRepositoryClient } from '../repository.ts';
import { DEFAULT_RETRY_LIMITS, type RetryClock } from '../retry.ts';
import { createTransport } from './index.ts';

const CLOCK: RetryClock = { now: Date.now, random: () => 0.5, sleep: async () => {} };
const run = promisify(execFile);

let folder: string;
let home: string;
const ends: (() => Promise<void> | void)[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'trust-'));
  const openssl = (...args: readonly string[]) => run('openssl', args, { cwd: folder, timeout: 30_000 });
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
  await openssl('req', '-x509', ...key, '-subj', '/CN=authority', '-keyout', 'ca.key', '-out', 'ca.pem');
  await writeFile(join(folder, 'san.cnf'), 'subjectAltName=IP:127.0.0.1\n');
  for (const name of ['server', 'client']) {
    await openssl('req', ...key, '-subj', `/CN=${name}`, '-keyout', `${name}.key`, '-out', `${name}.csr`);
    const sign = [
      '-CA',
      'ca.pem',
      '-CAkey',
      'ca.key',
      '-CAcreateserial',
      '-days',
      '2',
      '-extfile',
      'san.cnf',
    ];
    await openssl('x509', '-req', '-in', `${name}.csr`, ...sign, '-out', `${name}.pem`);
  }
});
afterAll(() => rm(folder, { recursive: true }));
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

const pem = (name: string): Promise<string> => readFile(join(folder, name), 'utf8');

/** A server that has every blob, and the names on the client certificates it was shown. */
async function serve(): Promise<{ readonly host: string; readonly seen: (string | undefined)[] }> {
  const [key, cert, ca] = await Promise.all(['server.key', 'server.pem', 'ca.pem'].map(pem));
  const seen: (string | undefined)[] = [];
  const options = {
    key: key ?? '',
    cert: cert ?? '',
    ca: ca ?? '',
    requestCert: true,
    rejectUnauthorized: false,
  };
  const server = createServer(options, ({ socket }, response) => {
    const name = (socket as TLSSocket).getPeerCertificate()?.subject?.CN;
    seen.push(Array.isArray(name) ? name[0] : name);
    response.writeHead(200).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  ends.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return { host: `127.0.0.1:${(server.address() as AddressInfo).port}`, seen };
}

// Loopback uses plain HTTP unless an authority is given: this one has signed nothing here.
async function ask(host: string, environment: Readonly<Record<string, string>>): Promise<boolean> {
  const transport = createTransport({
    environment: { HOME: home, ...environment },
    ca: '',
    plainHttp: false,
    limits: { ...DEFAULT_RETRY_LIMITS, tries: 1 },
    clock: CLOCK,
    signal: new AbortController().signal,
    idleMs: 5000,
  });
  ends.push(() => transport.close());
  const credentials = async (): Promise<undefined> => undefined;
  const client = createRepositoryClient({
    registry: host,
    repository: 'a/b',
    transport,
    credentials,
    clock: CLOCK,
  });
  return client.hasBlob(digestOf('x'));
}

async function certsFolder(host: string): Promise<string> {
  home = await mkdtemp(join(folder, 'home-'));
  const path = join(home, '.config/containers/certs.d', host);
  await mkdir(path, { recursive: true });
  return path;
}

describe('trust', () => {
  it('an unknown authority is not trusted, and the error says what to set', async () => {
    const { host } = await serve();
    await certsFolder('other');
    await expect(ask(host, {})).rejects.toMatchObject({
      code: 'REGISTRY_UNAVAILABLE',
      hint: expect.stringContaining('SSL_CERT_FILE'),
    });
  });

  it('trust comes from SSL_CERT_FILE', async () => {
    const { host } = await serve();
    await certsFolder('other');
    expect(await ask(host, { SSL_CERT_FILE: join(folder, 'ca.pem') })).toBe(true);
  });

  it('trust and client certificates from certs.d apply only to their own host', async () => {
    const [one, other] = [await serve(), await serve()];
    const path = await certsFolder(one.host);
    await writeFile(join(path, 'ca.crt'), await pem('ca.pem'));
    await writeFile(join(path, 'client.cert'), await pem('client.pem'));
    await writeFile(join(path, 'client.key'), await pem('client.key'));
    expect(await ask(one.host, {})).toBe(true);
    expect(one.seen).toEqual(['client']);
    await expect(ask(other.host, {})).rejects.toMatchObject({ code: 'REGISTRY_UNAVAILABLE' });
    expect(await ask(other.host, { SSL_CERT_FILE: join(folder, 'ca.pem') })).toBe(true);
    expect(other.seen).toEqual([undefined]);
  });

  it.each([
    ['SSL_CERT_FILE that does not exist', 'none.pem', /^SSL_CERT_FILE: .*none\.pem: can't be read: ENOENT$/],
    [
      'SSL_CERT_FILE without a certificate',
      'ca.key',
      /^SSL_CERT_FILE: .*ca\.key: expected a certificate in PEM, found none$/,
    ],
  ])('trust is refused for %s', async (_, name, says) => {
    const { host } = await serve();
    await certsFolder('other');
    await expect(ask(host, { SSL_CERT_FILE: join(folder, name) })).rejects.toMatchObject({
      code: 'REGISTRY_UNAVAILABLE',
      message: expect.stringMatching(says),
    });
  });

  it('a client certificate without its key is refused', async () => {
    const { host } = await serve();
    const path = await certsFolder(host);
    await writeFile(join(path, 'client.cert'), await pem('client.pem'));
    await expect(ask(host, {})).rejects.toMatchObject({
      message: expect.stringContaining("client.key: can't be read"),
    });
  });
});
