import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { OciError } from '../errors.ts';

/** What a registry is told to know its user: a name and password, or an identity token that buys access tokens. */
export type Credentials =
  | { readonly kind: 'basic'; readonly username: string; readonly password: string }
  | { readonly kind: 'identity'; readonly token: string };

/** Runs a credential helper (`docker-credential-<name> get`) with the host on its stdin and gives its stdout. */
export type RunHelper = (helper: string, host: string) => Promise<string>;

/** Finds the credentials of a registry's host; undefined where it is to be used anonymously. */
export type CredentialSource = (registry: string) => Promise<Credentials | undefined>;

interface DockerConfig {
  readonly auths?: Readonly<Record<string, { readonly auth?: string; readonly identitytoken?: string }>>;
  readonly credsStore?: string;
  readonly credHelpers?: Readonly<Record<string, string>>;
}

const DOCKER_HUB_KEY = 'https://index.docker.io/v1/';
const HELPER_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]*$/;
// What helpers answer where a token stands in the place of a password.
const TOKEN_USER = '<token>';

/**
 * Credentials from the environment (`REGISTRY_USERNAME` and `REGISTRY_PASSWORD`, for `REGISTRY_HOST` or else the
 * one registry in use), then from Docker's configuration: `credHelpers`, `credsStore`, `auths`. Throws
 * `CREDENTIALS`; its messages name files and helpers and never hold a secret.
 * https://docs.docker.com/reference/cli/docker/login/#credential-stores
 */
export function credentialSource(options: {
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** The registries that will be used. */
  readonly registries: readonly string[];
  readonly runHelper: RunHelper;
}): CredentialSource {
  const fromEnvironment = environmentCredentials(options.environment, options.registries);
  const folder = options.environment.DOCKER_CONFIG || join(options.environment.HOME || homedir(), '.docker');
  let config: Promise<DockerConfig> | undefined;
  return async (registry) => {
    const given = fromEnvironment(registry);
    if (given !== undefined) return given;
    config ??= readDockerConfig(join(folder, 'config.json'));
    return fromDockerConfig(await config, registry, options.runHelper);
  };
}

function environmentCredentials(
  environment: Readonly<Record<string, string | undefined>>,
  registries: readonly string[],
): (registry: string) => Credentials | undefined {
  const { REGISTRY_USERNAME: username, REGISTRY_PASSWORD: password, REGISTRY_HOST: host } = environment;
  if (!username && !password) return () => undefined;
  if (!username || !password) {
    throw new OciError(
      'CREDENTIALS',
      'credentials: expected both REGISTRY_USERNAME and REGISTRY_PASSWORD, found one',
      {
        hint: 'Set both, or neither and use docker login.',
      },
    );
  }
  const distinct = [...new Set(registries)];
  if (!host && distinct.length > 1) {
    throw new OciError(
      'CREDENTIALS',
      `credentials: REGISTRY_USERNAME and REGISTRY_PASSWORD are for one registry, found ${distinct.join(', ')}`,
      { hint: 'Say which one with REGISTRY_HOST, and use docker login for the others.' },
    );
  }
  const meant = host || distinct[0];
  return (registry) => (registry === meant ? { kind: 'basic', username, password } : undefined);
}

async function readDockerConfig(path: string): Promise<DockerConfig> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {};
    throw new OciError('CREDENTIALS', `${path}: can't be read: ${(error as NodeJS.ErrnoException).code}`);
  }
  try {
    return JSON.parse(text);
  } catch {
    // The parser's message quotes the file, which holds secrets.
    throw new OciError('CREDENTIALS', `${path}: expected JSON, as docker login writes it`);
  }
}

async function fromDockerConfig(
  config: DockerConfig,
  registry: string,
  runHelper: RunHelper,
): Promise<Credentials | undefined> {
  const keys =
    registry === 'docker.io'
      ? [DOCKER_HUB_KEY, 'docker.io', 'index.docker.io']
      : [registry, `https://${registry}`, `https://${registry}/v2/`];
  const helper = keys.map((key) => config.credHelpers?.[key]).find(Boolean) ?? config.credsStore;
  if (helper) {
    const found = await fromHelper(helper, keys[0] ?? registry, runHelper);
    if (found !== undefined) return found;
  }
  const entry = keys.map((key) => config.auths?.[key]).find((each) => each?.auth || each?.identitytoken);
  if (entry?.identitytoken) return { kind: 'identity', token: entry.identitytoken };
  if (!entry?.auth) return undefined;
  const decoded = Buffer.from(entry.auth, 'base64').toString('utf8');
  const colon = decoded.indexOf(':');
  if (colon <= 0) {
    throw new OciError(
      'CREDENTIALS',
      `Docker's configuration: expected base64 of "name:password" in auths for ${registry}`,
      {
        hint: `docker login ${registry} writes it anew.`,
      },
    );
  }
  return {
    kind: 'basic',
    username: decoded.slice(0, colon),
    password: decoded.slice(colon + 1).replace(/\0+$/, ''),
  };
}

async function fromHelper(
  helper: string,
  host: string,
  runHelper: RunHelper,
): Promise<Credentials | undefined> {
  if (!HELPER_NAME.test(helper)) {
    throw new OciError(
      'CREDENTIALS',
      `Docker's configuration: ${JSON.stringify(helper)} is no credential helper's name`,
    );
  }
  const answer = await runHelper(helper, host);
  // The protocol's answer where it knows nothing of the host.
  if (/credentials not found/i.test(answer)) return undefined;
  try {
    const { Username: username, Secret: secret } = JSON.parse(answer);
    if (typeof username !== 'string' || typeof secret !== 'string') throw new TypeError('not strings');
    return username === TOKEN_USER
      ? { kind: 'identity', token: secret }
      : { kind: 'basic', username, password: secret };
  } catch {
    throw new OciError(
      'CREDENTIALS',
      `docker-credential-${helper}: expected JSON with Username and Secret for ${host}`,
    );
  }
}
