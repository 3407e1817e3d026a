import type { Header } from '../header.ts';
import type { Reader } from '../reader.ts';
import { sectionNamed } from '../sections.ts';
import { fieldsAt, type Segments } from '../segments.ts';

// The linker puts the information near the start of the data.
const MAX_SEARCHED_BYTES = 64 * 1024 * 1024;
const CHUNK_BYTES = 1024 * 1024;

const MAGIC = Buffer.from('\xff Go buildinf:', 'latin1');
const ALIGNMENT = 16;

/**
 * The address of Go's build information; undefined if there is none. Searches as Go does: in the section
 * `.go.buildinfo` or, without section headers, in the first writable segment, for a magic value aligned to 16 bytes.
 * Throws `TRUNCATED` or `MALFORMED`. https://github.com/golang/go/blob/master/src/debug/buildinfo/buildinfo.go
 */
export async function locateGoBuildInfo(
  reader: Reader,
  header: Header,
  segments: Segments,
): Promise<number | undefined> {
  const place = (await sectionNamed(reader, header, '.go.buildinfo')) ?? dataOf(segments);
  if (place === undefined) return undefined;
  const end = Math.min(place.size, MAX_SEARCHED_BYTES);
  for (let start = 0; start < end; start += CHUNK_BYTES) {
    const length = Math.min(CHUNK_BYTES, end - start);
    const { bytes } = await fieldsAt(
      reader,
      segments,
      place.address + start,
      length,
      "Go's build information",
    );
    const found = alignedMagic(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
    if (found !== undefined) return place.address + start + found;
  }
  return undefined;
}

function dataOf({ loaded }: Segments): { readonly address: number; readonly size: number } | undefined {
  const data = loaded.find(({ writable, executable }) => writable && !executable);
  return data === undefined ? undefined : { address: data.address, size: data.fileSize };
}

// Aligned, so that it can't span two chunks.
function alignedMagic(chunk: Buffer): number | undefined {
  for (let at = chunk.indexOf(MAGIC); at >= 0; at = chunk.indexOf(MAGIC, at + 1)) {
    if (at % ALIGNMENT === 0) return at;
  }
  return undefined;
}
