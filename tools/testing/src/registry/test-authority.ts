import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';

/** A private certificate authority, and a certificate that it issued for 127.0.0.1, all in PEM. */
export interface TestAuthority {
  readonly ca: string;
  /** The path of `ca`. */
  readonly caFile: string;
  readonly key: string;
  readonly keyFile: string;
  readonly cert: string;
  readonly certFile: string;
}

/** Makes an authority and a server certificate in a folder, with openssl. */
export async function makeTestAuthority(folder: string): Promise<TestAuthority> {
  const openssl = async (...args: readonly string[]): Promise<void> => {
    await execa('openssl', [...args], { cwd: folder, timeout: 30_000 });
  };
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  await openssl(
    'req',
    '-x509',
    ...key,
    '-subj',
    '/CN=test authority',
    '-days',
    '2',
    '-keyout',
    'ca.key',
    '-out',
    'ca.pem',
  );
  await openssl('req', ...key, '-subj', '/CN=127.0.0.1', '-keyout', 'server.key', '-out', 'server.csr');
  await writeFile(join(folder, 'san.cnf'), 'subjectAltName=IP:127.0.0.1,DNS:localhost\n');
  const sign = ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-days', '2', '-extfile', 'san.cnf'];
  await openssl('x509', '-req', '-in', 'server.csr', ...sign, '-out', 'server.pem');
  const [caFile, keyFile, certFile] = ['ca.pem', 'server.key', 'server.pem'].map((name) =>
    join(folder, name),
  ) as [string, string, string];
  const [ca, serverKey, cert] = await Promise.all(
    [caFile, keyFile, certFile].map((path) => readFile(path, 'utf8')),
  );
  return { ca: ca ?? '', caFile, key: serverKey ?? '', keyFile, cert: cert ?? '', certFile };
}
