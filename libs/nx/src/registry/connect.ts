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

/** The clients of a run. */
export interface Connection {
  clientOf(repository: ImageRepository): RepositoryClient;
  /** Reads from the mirrors of `REGISTRY_MIRRORS` first; `onPassed` is told about each that did not have it, and why. */
  sourceOf(repository: ImageRepository, onPassed: (message: string) => void): ImageSource;
  /** Tries beyond the first, of all requests so far. */
  readonly retries: () => number;
}

/** What a connection takes from the process that it runs in; tests bring their own. */
export interface ConnectionDependencies {
  readonly environment?: Readonly<Record<string, string | undefined>>;
  readonly clock?: RetryClock;
  /** Milliseconds without a byte after which a connection counts as stalled. */
  readonly idleMs?: number;
}

/** How registries are reached. */
export interface ConnectionOptions {
  /** An authority to believe beside those of the machine, in PEM. */
  readonly ca?: string | undefined;
  /** Allows plain HTTP to hosts that are not loopback. */
  readonly plainHttp?: boolean | undefined;
  /** What tokens are asked for; to push by default. */
  readonly rights?: 'pull' | 'push';
}

const HELPER_TIMEOUT_MS = 30_000;
const IDLE_MS = 60_000;

/** Connects to registries for the time of `work`; asked to end, the process breaks off what is under way. */
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
      // REGISTRY_USERNAME without REGISTRY_HOST is who pushes: no registry that is only read from may learn of it.
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
  // Few runs have a helper to ask.
  const { execa } = await import('execa');
  const file = `docker-credential-${helper}`;
  const result = await execa(file, ['get'], { input: host, reject: false, timeout: HELPER_TIMEOUT_MS });
  if (!result.failed || /credentials not found/i.test(result.stdout)) return result.stdout;
  // Neither stdout, which may hold a secret, nor its error text.
  const how = result.timedOut
    ? `no answer within ${HELPER_TIMEOUT_MS / 1000} s`
    : (result.code ?? `exit code ${result.exitCode}`);
  throw new OciError('CREDENTIALS', `${file} get: failed for ${host}: ${how}`, {
    hint: `Docker's configuration names this helper: install it, or log in again with docker login ${host}.`,
  });
}
