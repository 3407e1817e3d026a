import { promisify } from 'node:util';
import { inflate } from 'node:zlib';
import { readHeader } from '../header.ts';
import { Reader } from '../reader.ts';
import { sectionNamed } from '../sections.ts';
import type { ByteSource } from '../source.ts';
import { type CargoAuditable, parseCargoAuditable } from './packages.ts';

// About a hundred bytes per package: far more than real programs have, and far less than would use much memory when
// parsed.
const MAX_JSON_BYTES = 1024 * 1024;

const unpack = promisify(inflate);

/**
 * Reads the packages that `cargo auditable` records in an executable's `.dep-v0` section; null if there is none,
 * possibly because the section headers were stripped. Accepts at most 1 MiB of JSON. Throws `ElfError`: `NOT_ELF`,
 * `TRUNCATED` or `MALFORMED`. https://github.com/rust-secure-code/cargo-auditable/blob/master/PARSING.md
 */
export async function readCargoAuditable(source: ByteSource): Promise<CargoAuditable | null> {
  const reader = await Reader.of(source);
  const section = await sectionNamed(reader, await readHeader(reader), '.dep-v0');
  if (section === undefined) return null;
  if (section.size > MAX_JSON_BYTES) throw reader.malformed(`.dep-v0 of ${section.size} bytes`);
  const { bytes } = await reader.fields(section.offset, section.size, '.dep-v0');
  const json = await unpack(bytes, { maxOutputLength: MAX_JSON_BYTES }).catch((error: Error) => {
    throw reader.malformed(
      `.dep-v0 can't be unpacked to at most ${MAX_JSON_BYTES} bytes: ${error.message}`,
      error,
    );
  });
  try {
    return parseCargoAuditable(new TextDecoder('utf-8', { fatal: true }).decode(json));
  } catch (error) {
    if (!(error instanceof SyntaxError || error instanceof TypeError)) throw error;
    throw reader.malformed(`.dep-v0: ${error.message}`, error);
  }
}
