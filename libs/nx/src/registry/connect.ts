import { setTimeout as sleep } from 'node:timers/promises';
import { type ImageRepository, OciError } from '@prebuilt/oci';
import {
  createRepositoryClient,
  createTransport,
  credentialSource,
  DEFAULT_RETRY_LIMITS,
  type RepositoryClient,
  type RetryClock,
} from '@prebuilt/oci/registry';
import { withInterrupt } from '../process/interrupt.ts';

/** The clients of a run. */
export interface Connection {
  clientOf(repository: ImageRepository): RepositoryClient;
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
      registries: repositories.map(({ registry }) => registry),
      runHelper,
    });
    try {
      return await work({
        clientOf: ({ registry, repository }) =>
          createRepositoryClient({ registry, repository, transport, credentials, clock, rights }),
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
