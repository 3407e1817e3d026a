import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

/** PEM texts: a certificate authority, and a server certificate that it issued for localhost, 127.0.0.1 and ::1. */
export interface Certificates {
  readonly caPath: string;
  readonly keyPath: string;
  readonly certificatePath: string;
}

const execute = promisify(execFile);
const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];

/** Creates a certificate authority and a server certificate in a folder, using the openssl program. */
export async function makeCertificates(folder: string): Promise<Certificates> {
  const caPath = join(folder, 'ca.crt');
  const caKey = join(folder, 'ca.key');
  const keyPath = join(folder, 'server.key');
  const request = join(folder, 'server.csr');
  const certificatePath = join(folder, 'server.crt');
  const extensions = join(folder, 'extensions.cnf');
  await writeFile(
    extensions,
    'subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1\nextendedKeyUsage=serverAuth\n',
  );
  const openssl = (args: readonly string[]) => execute('openssl', args, { timeout: 30_000 });
  await openssl(['req', '-x509', ...newKey, '-keyout', caKey, '-out', caPath, '-subj', '/CN=test-ca']);
  await openssl(['req', ...newKey, '-keyout', keyPath, '-out', request, '-subj', '/CN=kube-apiserver']);
  await openssl(
    ['x509', '-req', '-in', request, '-CA', caPath, '-CAkey', caKey, '-CAcreateserial'].concat([
      '-out',
      certificatePath,
      '-extfile',
      extensions,
    ]),
  );
  return { caPath, keyPath, certificatePath };
}
