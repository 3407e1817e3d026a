import { readHeader } from '../header.ts';
import { Reader } from '../reader.ts';
import { readSegments } from '../segments.ts';
import type { ByteSource } from '../source.ts';
import { locateGoBuildInfo } from './location.ts';
import { type GoModules, parseGoModules } from './modules.ts';
import { readGoStrings } from './strings.ts';

/** What `go version -m` shows for an executable. */
export interface GoBuildInfo extends GoModules {
  /** The compiler's version: `go1.24.4`. */
  readonly goVersion: string;
}

/**
 * Reads the information that Go's linker records in each executable: the Go version, the modules it is made of, and the
 * settings it was built with; null for an executable that Go did not build. These are the modules that were actually
 * compiled, whereas go.sum lists those that may be used. Reads at most 64 MiB of data and 1 MiB of lines. Throws
 * `ElfError`: `NOT_ELF`, `TRUNCATED` or `MALFORMED`. https://pkg.go.dev/debug/buildinfo
 */
export async function readGoBuildInfo(source: ByteSource): Promise<GoBuildInfo | null> {
  const reader = await Reader.of(source);
  const header = await readHeader(reader);
  const segments = await readSegments(reader, header.programHeaders);
  const address = await locateGoBuildInfo(reader, header, segments);
  if (address === undefined) return null;
  const { version, modules } = await readGoStrings(reader, segments, address);
  if (version === '') throw reader.malformed("Go's build information has no Go version");
  try {
    return { goVersion: version, ...parseGoModules(modules) };
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw reader.malformed(`Go's build information: ${error.message}`, error);
  }
}
