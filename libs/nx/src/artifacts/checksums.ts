import { PrebuiltError } from '../errors.ts';
import { executablesOf, type Manifest } from './manifest.ts';

/** The name of the checksums file inside a folder of built executables. */
export const CHECKSUMS_FILE = 'checksums.txt';

/** A line of a checksums file: the hexadecimal SHA-256 and the file's name. */
export interface Checksum {
  readonly sha256: string;
  readonly path: string;
}

const LINE = /^([0-9a-f]{64}) [ *]([A-Za-z0-9][A-Za-z0-9._+-]{0,200})$/;

/** The executables' checksums in the format of GNU `sha256sum`, sorted by name. */
export function formatChecksums(manifest: Manifest): string {
  return manifest.platforms
    .flatMap(executablesOf)
    .map(({ sha256, path }) => `${sha256}  ${path}\n`)
    .sort((a, b) => (a.slice(66) < b.slice(66) ? -1 : 1))
    .join('');
}

/**
 * Parses the output format of GNU `sha256sum`. Throws `INVALID_CHECKSUMS` with the line number for a malformed line, a
 * path with a folder, or a duplicate name.
 * https://www.gnu.org/software/coreutils/manual/html_node/cksum-output-modes.html
 */
export function parseChecksums(text: string, source: string): readonly Checksum[] {
  const checksums: Checksum[] = [];
  const lines = text.split('\n');
  if (lines.at(-1) === '') lines.pop();
  for (const [index, line] of lines.entries()) {
    const [, sha256, path] = LINE.exec(line) ?? [];
    if (sha256 === undefined || path === undefined) {
      throw new PrebuiltError(
        'INVALID_CHECKSUMS',
        `${source}:${index + 1}: expected "<64 hexadecimal digits>  <file name>", found ${JSON.stringify(line.slice(0, 120))}`,
      );
    }
    if (checksums.some((other) => other.path === path)) {
      throw new PrebuiltError('INVALID_CHECKSUMS', `${source}:${index + 1}: ${path} is given twice`);
    }
    checksums.push({ sha256, path });
  }
  return checksums;
}
