import { promisify } from 'node:util';
import { inflate } from 'node:zlib';
import { readHeader } from '../header.ts';
import { Reader } from '../reader.ts';
import { sectionNamed } from '../sections.ts';
import type { ByteSource } from '../source.ts';
import { type CargoAuditable, parseCargoAuditable } from './packages.ts';

// Some hundred bytes for each package: far above what real programs have, far below what takes much memory when
// it is parsed.
const MAX_JSON_BYTES = 1024 * 1024;

const unpack = promisify(inflate);

/**
 * Reads the packages that `cargo auditable` leaves in an executable, in the section `.dep-v0`; null where there is
 * none, also because the section headers were stripped. Takes at most 1 MiB of JSON. Throws `ElfError`: `NOT_ELF`,
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
