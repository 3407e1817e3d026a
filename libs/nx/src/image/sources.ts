import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { Manifest } from '../artifacts/manifest.ts';
import { PrebuiltError } from '../errors.ts';
import { type ContextTexts, readContextTexts } from './context-texts.ts';
import { type PackageFacts, readPackageFacts } from './package-facts.ts';

/** What an image is built from, besides the folder of executables. */
export interface ImageSources {
  /** Undefined to generate one. */
  readonly dockerfile: Uint8Array | undefined;
  readonly packageFacts: PackageFacts;
  readonly texts: ContextTexts;
}

/** The source of an image's context. */
export interface ContextOrigin {
  readonly manifest: Manifest;
  /** The absolute path of the folder of executables. */
  readonly inputPath: string;
}

/**
 * Reads the Dockerfile (a path relative to the workspace root), package.json, and the context's lists of users. Throws
 * `INVALID_OPTIONS`.
 */
export async function readImageSources(
  workspaceRoot: string,
  dockerfile: string | undefined,
  { manifest, inputPath }: ContextOrigin,
): Promise<ImageSources> {
  const [bytes, packageFacts] = await Promise.all([
    dockerfile === undefined ? undefined : readDockerfileBytes(resolve(workspaceRoot, dockerfile)),
    readPackageFacts(join(workspaceRoot, 'package.json')),
  ]);
  return { dockerfile: bytes, packageFacts, texts: await readContextTexts(manifest, inputPath, bytes) };
}

async function readDockerfileBytes(path: string): Promise<Uint8Array> {
  return readFile(path).catch((cause: NodeJS.ErrnoException) => {
    throw new PrebuiltError('INVALID_OPTIONS', `dockerfile: ${path}: can't be read: ${cause.message}`, {
      cause,
    });
  });
}
