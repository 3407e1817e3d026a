import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { ImageRepository } from '@prebuilt/oci';
import { PrebuiltError } from '../../errors.ts';
import { type Connection, type ConnectionDependencies, withConnection } from '../../registry/connect.ts';
import type { DockerPublishOptions } from './options.ts';
import type { SigningServices } from './sign.ts';

/** What a publish takes from its process; tests supply their own. */
export interface PublishDependencies extends ConnectionDependencies {
  readonly signing?: Partial<SigningServices>;
  /** Runs once everything is proven, before the first tag moves. */
  readonly beforeTags?: () => Promise<void>;
}

/**
 * Connects to the registries for the duration of `work`. If the process is told to stop, requests in flight are
 * aborted.
 */
export async function connect<T>(
  repositories: readonly ImageRepository[],
  { caFile, plainHttp }: Pick<DockerPublishOptions, 'caFile' | 'plainHttp'>,
  root: string,
  dependencies: PublishDependencies,
  work: (connection: Connection) => Promise<T>,
): Promise<T> {
  const ca = caFile === undefined ? undefined : await readCa(resolve(root, caFile));
  return withConnection(repositories, { ca, plainHttp }, dependencies, work);
}

async function readCa(path: string): Promise<string> {
  const text = await readFile(path, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    throw new PrebuiltError('INVALID_OPTIONS', `ca-file: ${path}: can't be read: ${cause.code}`, { cause });
  });
  if (text.includes('-----BEGIN CERTIFICATE-----')) return text;
  throw new PrebuiltError('INVALID_OPTIONS', `ca-file: ${path}: expected a certificate in PEM, found none`);
}
