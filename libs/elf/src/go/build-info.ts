import { readHeader } from '../header.ts';
import { Reader } from '../reader.ts';
import { readSegments } from '../segments.ts';
import type { ByteSource } from '../source.ts';
import { locateGoBuildInfo } from './location.ts';
import { type GoModules, parseGoModules } from './modules.ts';
import { readGoStrings } from './strings.ts';

/** What `go version -m` shows of an executable. */
export interface GoBuildInfo extends GoModules {
  /** The compiler's version: `go1.24.4`. */
  readonly goVersion: string;
}

/**
 * Reads the information that Go's linker leaves in each executable: the version of Go, the modules it is made of, and
 * the settings it was built with; null for an executable that isn't Go's. It is what the compiler really used, where
 * go.sum lists what it may use. Reads at most 64 MiB of the data and 1 MiB of lines. Throws `ElfError`: `NOT_ELF`,
 * `TRUNCATED` or `MALFORMED`. https://pkg.go.dev/debug/buildinfo
 */
export async function readGoBuildInfo(source: ByteSource): Promise<GoBuildInfo | null> {
  const reader = await Reader.of(source);
  const header = await readHeader(reader);
  const segments = await readSegments(reader, header.programHeaders);
  const address = await locateGoBuildInfo(reader, header, segments);
  if (address === undefined) return null;
  const { version, modules } = await readGoStrings(reader, segments, address);
  if (version === '') throw reader.malformed("Go's build information has no version of Go");
  try {
    return { goVersion: version, ...parseGoModules(modules) };
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw reader.malformed(`Go's build information: ${error.message}`, error);
  }
}
