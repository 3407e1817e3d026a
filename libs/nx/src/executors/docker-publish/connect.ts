import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
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
import { PrebuiltError } from '../../errors.ts';
import { withInterrupt } from '../../process/interrupt.ts';
import type { DockerPublishOptions } from './options.ts';
import type { SigningServices } from './sign.ts';

/** The clients of a publish. */
export interface Connection {
  clientOf(repository: ImageRepository): RepositoryClient;
  /** Tries beyond the first, of all requests so far. */
  readonly retries: () => number;
}

/** What a publish takes from the process that it runs in; tests bring their own. */
export interface PublishDependencies {
  readonly environment?: Readonly<Record<string, string | undefined>>;
  readonly clock?: RetryClock;
  /** Milliseconds without a byte after which a connection counts as stalled. */
  readonly idleMs?: number;
  readonly signing?: Partial<SigningServices>;
  /** Runs once everything is proven, before the first tag moves. */
  readonly beforeTags?: () => Promise<void>;
}

const HELPER_TIMEOUT_MS = 30_000;
const IDLE_MS = 60_000;

/** Connects to the registries for the time of `work`; asked to end, the process breaks off what is under way. */
export function connect<T>(
  repositories: readonly ImageRepository[],
  options: Pick<DockerPublishOptions, 'caFile' | 'plainHttp'>,
  root: string,
  dependencies: PublishDependencies,
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
      ca: options.caFile === undefined ? undefined : await readCa(resolve(root, options.caFile)),
      plainHttp: options.plainHttp,
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
          createRepositoryClient({ registry, repository, transport, credentials, clock }),
        retries: () => transport.retries,
      });
    } finally {
      await transport.close();
    }
  });
}

async function readCa(path: string): Promise<string> {
  const text = await readFile(path, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    throw new PrebuiltError('INVALID_OPTIONS', `ca-file: ${path}: can't be read: ${cause.code}`, { cause });
  });
  if (text.includes('-----BEGIN CERTIFICATE-----')) return text;
  throw new PrebuiltError('INVALID_OPTIONS', `ca-file: ${path}: expected a certificate in PEM, found none`);
}

// https://github.com/docker/docker-credential-helpers#development
async function runHelper(helper: string, host: string): Promise<string> {
  // Few publishes have a helper to ask.
  const { execa } = await import('execa');
  const file = `docker-credential-${helper}`;
  const result = await execa(file, ['get'], { input: host, reject: false, timeout: HELPER_TIMEOUT_MS });
  if (!result.failed || /credentials not found/i.test(result.stdout)) return result.stdout;
  // Neither stdout, which may hold a secret, nor its error text.
  const how = result.timedOut
    ? `no answer within ${HELPER_TIMEOUT_MS / 1000} s`
    : (result.code ?? `exit code ${result.exitCode}`);
  throw new OciError('CREDENTIALS', `${file} get: failed for ${host}: ${how}`, {
    hint: `Docker's configuration names this helper: install it, or log in anew with docker login ${host}.`,
  });
}
