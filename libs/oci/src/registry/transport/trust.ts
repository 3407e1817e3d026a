import { readdir, readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { OciError } from '../../errors.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/** The authorities to trust for one host and the client certificates to show it, in PEM. */
export interface Trust {
  /** Trusted authorities. */
  readonly ca: readonly string[];
  /** Client certificates with their keys. */
  readonly clients: readonly { readonly cert: string; readonly key: string }[];
}

// Where Docker (with or without root) and podman look for a host's certificates.
const FOLDERS = ['/etc/docker/certs.d', '/etc/containers/certs.d'];
const HOME_FOLDERS = ['.config/docker/certs.d', '.config/containers/certs.d', '.docker/certs.d'];

/**
 * The certificates for `host` (with a port if one is given). Trusts, in addition to Node's own authorities and
 * `NODE_EXTRA_CA_CERTS`: the machine's certificate store if this Node can read it, `SSL_CERT_FILE`, `extra`, and the
 * `*.crt` files in `certs.d/<host>`. The `*.cert` files there, with their `*.key`, are shown to that host only. Throws
 * `REGISTRY_UNAVAILABLE` for a file that can't be read or contains no certificate.
 * https://docs.docker.com/engine/security/certificates/
 */
export async function readTrust(
  host: string,
  environment: Environment,
  extra: string | undefined,
): Promise<Trust> {
  const [{ getCACertificates }, own, file] = await Promise.all([
    import('node:tls'),
    readCertificateFolders(host, environment),
    environment.SSL_CERT_FILE ? readPem(environment.SSL_CERT_FILE, 'SSL_CERT_FILE: ') : [],
  ]);
  const given = [...(extra === undefined ? [] : [extra]), ...file, ...own.ca];
  return {
    ca: [...new Set([...getCACertificates('default'), ...system(getCACertificates), ...given])],
    clients: own.clients,
  };
}

// Node before 22.15 does not have this function, and a Node that can't read the store reports that by throwing.
function system(read: (type: 'system') => string[]): readonly string[] {
  try {
    return read('system');
  } catch {
    return [];
  }
}

async function readCertificateFolders(host: string, environment: Environment): Promise<Trust> {
  const home = environment.HOME || homedir();
  const roots = [...FOLDERS, ...HOME_FOLDERS.map((folder) => join(home, folder))];
  const found = await Promise.all(roots.map((root) => readCertificateFolder(join(root, host))));
  return { ca: found.flatMap(({ ca }) => ca), clients: found.flatMap(({ clients }) => clients) };
}

/** The certificates in one folder of `certs.d`; none if there is no such folder. Throws `REGISTRY_UNAVAILABLE`. */
export async function readCertificateFolder(folder: string): Promise<Trust> {
  const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    // A folder that this user may not read belongs to another user.
    if (['ENOENT', 'ENOTDIR', 'EACCES'].includes(error.code ?? '')) return [];
    throw unreadable(folder, error);
  });
  const ca = names.filter((name) => name.endsWith('.crt')).sort();
  const clients = names.filter((name) => name.endsWith('.cert')).sort();
  return {
    ca: (await Promise.all(ca.map((name) => readPem(join(folder, name), '')))).flat(),
    clients: await Promise.all(
      clients.map(async (name) => {
        const key = `${name.slice(0, -'.cert'.length)}.key`;
        const [[cert = ''], [secret = '']] = await Promise.all([
          readPem(join(folder, name), ''),
          readPem(join(folder, key), '', 'PRIVATE KEY'),
        ]);
        return { cert, key: secret };
      }),
    ),
  };
}

async function readPem(path: string, label: string, kind = 'CERTIFICATE'): Promise<readonly string[]> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw unreadable(`${label}${path}`, error);
  });
  if (new RegExp(`-----BEGIN [A-Z ]*${kind}-----`).test(text)) return [text];
  throw new OciError(
    'REGISTRY_UNAVAILABLE',
    `${label}${path}: expected a ${kind.toLowerCase()} in PEM, found none`,
  );
}

function unreadable(what: string, error: NodeJS.ErrnoException): OciError {
  return new OciError('REGISTRY_UNAVAILABLE', `${what}: can't be read: ${error.code}`, { cause: error });
}
