import { access, constants, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { get as getPlain } from 'node:http';
import { get as getSecure } from 'node:https';
import { delimiter, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { execa } from 'execa';
import { freePort } from '../free-port.ts';
import type { TestAuthority } from './test-authority.ts';
import type { TokenServer } from './token-server.ts';

/** The user and password of a registry with a password file. */
export const REGISTRY_USER = { username: 'publisher', password: 'canary-password' } as const;
const BCRYPT_OF_PASSWORD = '$2b$05$abcdefghijklmnopqrstuuTvmw3qcMpAvEgQGhbFMhqjD3R/evDDW';
const START_TIMEOUT_MS = 30_000;

/** Options of Debian's registry. */
export interface DebianRegistryOptions {
  /** An existing folder for configuration and data. */
  readonly folder: string;
  readonly tls?: TestAuthority;
  readonly passwords?: boolean;
  readonly tokens?: TokenServer;
  /** Whether it returns relative URLs, so that all requests go through a proxy in front of it. */
  readonly relativeUrls?: boolean;
}

/** Debian's `docker-registry`, running on a free loopback port. */
export interface DebianRegistry {
  readonly host: string;
  /** `METHOD /path` of every request so far, without the query. */
  requests(): Promise<readonly string[]>;
  /** The size in storage of each open upload of a repository, in bytes, by upload id. */
  openUploads(repository: string): Promise<ReadonlyMap<string, number>>;
  stop(): Promise<void>;
}

/** The path of `docker-registry`: in PATH, or where `npm run engine -- up` unpacked it; otherwise undefined. */
export async function findDebianRegistry(
  environment: Readonly<Record<string, string | undefined>> = process.env,
): Promise<string | undefined> {
  const engine = join(environment.PREBUILT_ENGINE_HOME || '/var/lib/prebuilt-engine', 'packages/usr/bin');
  for (const folder of [...(environment.PATH ?? '').split(delimiter).filter(Boolean), engine]) {
    const path = join(folder, 'docker-registry');
    const found = await access(path, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (found) return path;
  }
  return undefined;
}

/** Starts the registry and waits until it answers. */
export async function startDebianRegistry(
  program: string,
  { folder, tls, passwords = false, tokens, relativeUrls = false }: DebianRegistryOptions,
): Promise<DebianRegistry> {
  const host = `127.0.0.1:${await freePort()}`;
  const [config, log, data] = ['registry.json', 'registry.log', 'data'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ];
  const passwordFile = join(folder, 'htpasswd');
  await mkdir(data, { recursive: true });
  if (passwords) await writeFile(passwordFile, `${REGISTRY_USER.username}:${BCRYPT_OF_PASSWORD}\n`);
  // JSON is YAML.
  const settings = {
    version: '0.1',
    log: { level: 'warn' },
    storage: { filesystem: { rootdirectory: data }, delete: { enabled: true } },
    http: {
      addr: host,
      relativeurls: relativeUrls,
      ...(tls && { tls: { certificate: tls.certFile, key: tls.keyFile } }),
    },
    ...(passwords && { auth: { htpasswd: { realm: 'test', path: passwordFile } } }),
    ...(tokens &&
      tls && {
        auth: {
          token: {
            realm: tokens.realm,
            service: tokens.service,
            issuer: tokens.issuer,
            rootcertbundle: tls.caFile,
          },
        },
      }),
  };
  await writeFile(config, JSON.stringify(settings));
  const child = execa(program, ['serve', config], {
    stdin: 'ignore',
    stdout: { file: log },
    stderr: { file: log },
    reject: false,
    env: { OTEL_TRACES_EXPORTER: 'none' },
  });
  const stop = async (): Promise<void> => {
    child.kill('SIGTERM');
    await child;
  };
  let ended = false;
  child.then(() => {
    ended = true;
  });
  const until = Date.now() + START_TIMEOUT_MS;
  while (!(await answers(host, tls?.ca))) {
    if (ended || Date.now() > until) {
      await stop();
      throw new Error(`${program}: found no answer; its log: ${await readFile(log, 'utf8')}`);
    }
    await sleep(50);
  }
  const requests = async (): Promise<readonly string[]> =>
    [...(await readFile(log, 'utf8')).matchAll(/"([A-Z]+) (\/[^ ?"]*)[^"]* HTTP\/[\d.]+"/g)].map(
      ([, method, path]) => `${method} ${path}`,
    );
  const openUploads = async (repository: string): Promise<ReadonlyMap<string, number>> => {
    const uploads = join(data, 'docker/registry/v2/repositories', repository, '_uploads');
    const found = new Map<string, number>();
    for (const id of await readdir(uploads).catch(() => [])) {
      // For a finished upload, the program leaves a folder with a hash of no bytes, but without data.
      const content = await stat(join(uploads, id, 'data')).catch(() => undefined);
      if (content !== undefined) found.set(id, content.size);
    }
    return found;
  };
  return { host, requests, openUploads, stop };
}

function answers(host: string, ca: string | undefined): Promise<boolean> {
  return new Promise((resolve) => {
    const settle = (response: { resume(): unknown }): void => {
      response.resume();
      resolve(true);
    };
    const request =
      ca === undefined
        ? getPlain(`http://${host}/v2/`, { agent: false }, settle)
        : getSecure(`https://${host}/v2/`, { agent: false, ca }, settle);
    request.once('error', () => resolve(false));
  });
}
