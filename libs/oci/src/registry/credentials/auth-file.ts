import { readFile } from 'node:fs/promises';
import { OciError } from '../../errors.ts';
import type { CredentialStore, Credentials, RunHelper } from './credentials.ts';
import { askHelper } from './helper.ts';
import { DOCKER_HUB_KEY, keysOf, normalizeKey, withoutTrailing } from './keys.ts';

interface AuthFile {
  readonly auths: readonly (readonly [key: string, entry: Readonly<Record<string, unknown>>])[];
  readonly credHelpers: readonly (readonly [key: string, helper: string])[];
  readonly credsStore: string | undefined;
}

/**
 * The credentials in a file written by docker, podman or skopeo: from the host's helper, then the helper for all hosts,
 * then `auths`, where the entry for a path in the registry takes precedence over the host's. A missing file has no
 * credentials. Throws `CREDENTIALS` for a file that can't be read; messages name the file and never quote it.
 * https://docs.docker.com/reference/cli/docker/login/#credential-stores
 * https://github.com/containers/image/blob/main/docs/containers-auth.json.5.md
 */
export function authFileStore(path: string, runHelper: RunHelper): CredentialStore {
  let reading: Promise<AuthFile> | undefined;
  return async (registry, repository) => {
    reading ??= readAuthFile(path);
    const { auths, credHelpers, credsStore } = await reading;
    const keys = keysOf(registry, repository);
    const host = keys.at(-1) ?? registry;
    const helper = find(credHelpers, keys) ?? credsStore;
    if (helper) {
      const asked = host === 'docker.io' ? DOCKER_HUB_KEY : registry;
      const found = await askHelper(path, helper, asked, runHelper);
      if (found !== undefined) return found;
    }
    const usable = auths.filter(([, entry]) => Object.values(entry).some((value) => value));
    const entry = find(usable, keys);
    return entry === undefined ? undefined : readEntry(path, host, entry);
  };
}

// An identical key takes precedence over an equivalent one.
function find<T>(entries: readonly (readonly [string, T])[], keys: readonly string[]): T | undefined {
  for (const key of keys) {
    const found =
      entries.find(([each]) => each === key) ?? entries.find(([each]) => normalizeKey(each) === key);
    if (found !== undefined) return found[1];
  }
  return undefined;
}

async function readAuthFile(path: string): Promise<AuthFile> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return '{}';
    throw new OciError('CREDENTIALS', `${path}: can't be read: ${error.code}`);
  });
  let parsed: unknown;
  try {
    parsed = JSON.parse(text.trim() === '' ? '{}' : text);
  } catch {
    // The parser's message would quote the file, which contains secrets.
    throw new OciError('CREDENTIALS', `${path}: expected JSON, as docker login writes it`);
  }
  const config = objectOf(path, 'the file', parsed);
  const helpers = Object.entries(objectOf(path, 'credHelpers', config.credHelpers ?? {}));
  const auths = Object.entries(objectOf(path, 'auths', config.auths ?? {}));
  return {
    auths: auths.map(([key, entry]) => [key, objectOf(path, `auths for ${key}`, entry ?? {})] as const),
    credHelpers: helpers.map(
      ([key, helper]) => [key, textOf(path, `credHelpers for ${key}`, helper)] as const,
    ),
    credsStore: config.credsStore ? textOf(path, 'credsStore', config.credsStore) : undefined,
  };
}

function objectOf(path: string, what: string, value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value))
    return value as Readonly<Record<string, unknown>>;
  throw new OciError('CREDENTIALS', `${path}: expected ${what} to be an object, found something else`);
}

function textOf(path: string, what: string, value: unknown): string {
  if (typeof value === 'string') return value;
  throw new OciError('CREDENTIALS', `${path}: expected ${what} to be a string, found something else`);
}

function readEntry(
  path: string,
  host: string,
  { auth, username, password, identitytoken, registrytoken }: Readonly<Record<string, unknown>>,
): Credentials | undefined {
  const text = (name: string, value: unknown): string =>
    value === undefined || value === null ? '' : textOf(path, `${name} of ${host}`, value);
  const identity = text('identitytoken', identitytoken);
  if (identity !== '') return { kind: 'identity', token: identity };
  const token = text('registrytoken', registrytoken);
  if (token !== '') return { kind: 'token', token };
  const [name, secret] = [text('username', username), text('password', password)];
  const encoded = text('auth', auth);
  if (encoded === '')
    return name === '' || secret === '' ? undefined : { kind: 'basic', username: name, password: secret };
  const decoded = Buffer.from(encoded, 'base64').toString('utf8');
  const colon = decoded.indexOf(':');
  if (colon <= 0) {
    throw new OciError('CREDENTIALS', `${path}: expected base64 of "name:password" in auths for ${host}`, {
      hint: `docker login ${host} rewrites it.`,
    });
  }
  return {
    kind: 'basic',
    username: decoded.slice(0, colon),
    password: withoutTrailing(decoded.slice(colon + 1), '\0'),
  };
}
