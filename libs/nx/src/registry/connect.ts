import { setTimeout as sleep } from 'node:timers/promises';
import { type ImageRepository, OciError } from '@prebuilt/oci';
import {
  createRepositoryClient,
  createTransport,
  credentialSource,
  DEFAULT_RETRY_LIMITS,
  type ImageSource,
  type RepositoryClient,
  type RetryClock,
  withMirrors,
} from '@prebuilt/oci/registry';
import { withInterrupt } from '../process/interrupt.ts';
import { MIRRORS_VARIABLE, mirrorsOf } from './mirrors.ts';

/** The clients for one run. */
export interface Connection {
  clientOf(repository: ImageRepository): RepositoryClient;
  /** Reads from the mirrors in `REGISTRY_MIRRORS` first; `onPassed` is called with each mirror that failed, and why. */
  sourceOf(repository: ImageRepository, onPassed: (message: string) => void): ImageSource;
  /** The number of retries so far, over all requests. */
  readonly retries: () => number;
}

/** What a connection takes from its process; tests supply their own. */
export interface ConnectionDependencies {
  readonly environment?: Readonly<Record<string, string | undefined>>;
  readonly clock?: RetryClock;
  /** Milliseconds without a byte after which a connection counts as stalled. */
  readonly idleMs?: number;
}

/** How registries are reached. */
export interface ConnectionOptions {
  /** A certificate authority to trust in addition to the machine's, in PEM. */
  readonly ca?: string | undefined;
  /** Allows plain HTTP to hosts that are not loopback. */
  readonly plainHttp?: boolean | undefined;
  /** The rights to request tokens for. Defaults to push. */
  readonly rights?: 'pull' | 'push';
}

const HELPER_TIMEOUT_MS = 30_000;
const IDLE_MS = 60_000;

/**
 * Connects to registries for the duration of `work`. If the process is told to stop, requests in flight are aborted.
 */
export function withConnection<T>(
  repositories: readonly ImageRepository[],
  { ca, plainHttp = false, rights = 'push' }: ConnectionOptions,
  dependencies: ConnectionDependencies,
  work: (connection: Connection) => Promise<T>,
): Promise<T> {
  const { environment = process.env, idleMs = IDLE_MS } = dependencies;
  return withInterrupt(async (signal) => {
    const clock = dependencies.clock ?? {
      now: Date.now,
      random: Math.random,
      sleep: (milliseconds: number) => sleep(milliseconds, undefined, { signal }),
    };
    const transport = createTransport({
      environment,
      ca,
      plainHttp,
      limits: DEFAULT_RETRY_LIMITS,
      clock,
      signal,
      idleMs,
      onRetry: (message) => console.warn(message),
    });
    const credentials = credentialSource({
      environment,
      // REGISTRY_USERNAME without REGISTRY_HOST is for pushing: never send it to a registry that is only read from.
      registries: rights === 'push' ? repositories.map(({ registry }) => registry) : [],
      runHelper,
    });
    try {
      const clientOf = ({ registry, repository }: ImageRepository): RepositoryClient =>
        createRepositoryClient({ registry, repository, transport, credentials, clock, rights });
      return await work({
        clientOf,
        sourceOf: (repository, onPassed) =>
          withMirrors(
            mirrorsOf(environment[MIRRORS_VARIABLE], repository).map(clientOf),
            clientOf(repository),
            onPassed,
          ),
        retries: () => transport.retries,
      });
    } finally {
      await transport.close();
    }
  });
}

// https://github.com/docker/docker-credential-helpers#development
async function runHelper(helper: string, host: string): Promise<string> {
  // Most runs have no credential helper.
  const { execa } = await import('execa');
  const file = `docker-credential-${helper}`;
  const result = await execa(file, ['get'], { input: host, reject: false, timeout: HELPER_TIMEOUT_MS });
  if (!result.failed || /credentials not found/i.test(result.stdout)) return result.stdout;
  // Print neither stdout, which may contain a secret, nor the error text.
  const how = result.timedOut
    ? `no answer within ${HELPER_TIMEOUT_MS / 1000} s`
    : (result.code ?? `exit code ${result.exitCode}`);
  throw new OciError('CREDENTIALS', `${file} get: failed for ${host}: ${how}`, {
    hint: `Docker's configuration names this helper: install it, or log in again with docker login ${host}.`,
  });
}
