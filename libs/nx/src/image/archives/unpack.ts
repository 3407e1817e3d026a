import { mkdir, open } from 'node:fs/promises';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { OciError, readArchive } from '@prebuilt/oci';
import type { ListedArchiveEntry } from '../../artifacts/listed.ts';
import { PrebuiltError } from '../../errors.ts';
import { readChunks } from '../../files/chunks.ts';
import type { ContextFile } from '../context.ts';
import { listedEntry } from './describe.ts';

const MAX_CONTENTS_BYTES = 16 * 1024 * 1024;

/** The path for the content of a file in an archive. It uses the SHA-256 of both, so no archive can choose a path. */
export function unpackedPath(
  folder: string,
  archive: Pick<ContextFile, 'sha256'>,
  file: Pick<ContextFile, 'sha256'>,
): string {
  return join(folder, archive.sha256, file.sha256);
}

/**
 * Writes the contents of an archive's files to the paths given by `unpackedPath`, and compares the archive with its
 * entries in the manifest. Throws `ARTIFACT_CHANGED` if they differ.
 */
export async function unpackContents(
  archive: Pick<ContextFile, 'source' | 'sha256'>,
  entries: readonly ListedArchiveEntry[],
  folder: string,
): Promise<void> {
  const { source } = archive;
  await mkdir(join(folder, archive.sha256), { recursive: true });
  const left = new Map(
    entries.flatMap((entry) => (entry.type === 'file' ? [[entry.path, entry.sha256] as const] : [])),
  );
  const written = new Set<string>();
  const chunks = readChunks(source);
  try {
    const found = await readArchive(chunks, {
      onFile: async (path, _, content) => {
        const sha256 = left.get(path);
        if (sha256 === undefined || written.has(sha256)) return;
        written.add(sha256);
        await using file = await open(unpackedPath(folder, archive, { sha256 }), 'w');
        for await (const chunk of content) await file.writeFile(chunk);
      },
    });
    if (found.kind === 'entries' && isDeepStrictEqual(found.entries.map(listedEntry), entries)) return;
    throw archiveChanged(source);
  } catch (error) {
    if (error instanceof OciError) throw archiveChanged(source, error);
    throw error;
  } finally {
    await chunks.return(undefined);
  }
}

/**
 * The contents of the wanted files in an archive, up to 16 MiB in total. Empty for an archive that can't be read, which
 * is reported when it is packed.
 */
export async function readContents(
  source: string,
  isWanted: (path: string, size: number) => boolean,
): Promise<readonly Buffer[]> {
  const contents: Buffer[] = [];
  let left = MAX_CONTENTS_BYTES;
  const chunks = readChunks(source);
  try {
    await readArchive(chunks, {
      onFile: async (path, size, content) => {
        if (!isWanted(path, size) || size > left) return;
        left -= size;
        const parts: Buffer[] = [];
        for await (const chunk of content) parts.push(Buffer.from(chunk));
        contents.push(Buffer.concat(parts));
      },
    });
    return contents;
  } catch (error) {
    if (error instanceof OciError) return [];
    throw error;
  } finally {
    await chunks.return(undefined);
  }
}

function archiveChanged(source: string, cause?: unknown): PrebuiltError {
  return new PrebuiltError(
    'ARTIFACT_CHANGED',
    `${source}: expected the archive described in the manifest, found a different one`,
    {
      hint: 'The file changed after it was built: {run build-binaries}, and verify it.',
      cause,
    },
  );
}
