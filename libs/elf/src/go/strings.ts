import type { Reader } from '../reader.ts';
import { fieldsAt, type Segments } from '../segments.ts';

/** The two strings that Go's linker records in an executable. */
export interface GoStrings {
  /** `go1.24.4`, in some followed by a space and experiments. */
  readonly version: string;
  /** The lines about the modules; empty if it was built without modules. */
  readonly modules: string;
}

const MAX_VERSION_BYTES = 4096;
// A line of about a hundred bytes per module: far more than real programs have, and far less than would use much memory
// as modules.
const MAX_MODULES_BYTES = 1024 * 1024;

// Before and after the lines, so that Go can find them in a process's memory.
const MARK_BYTES = 16;

const HEADER_BYTES = 32;
const POINTER_SIZE_OFFSET = 14;
const FLAGS_OFFSET = 15;
const POINTERS_OFFSET = 16;
const BIG_ENDIAN = 1;
const INLINE = 2;

/**
 * Reads the strings from the header at an address. Since Go 1.18 they follow the header, each after its length; before,
 * the header points to them. Throws `TRUNCATED` or `MALFORMED`.
 * https://github.com/golang/go/blob/master/src/debug/buildinfo/buildinfo.go
 */
export async function readGoStrings(reader: Reader, segments: Segments, address: number): Promise<GoStrings> {
  const memory: Memory = { reader, segments };
  const header = await fieldsAt(
    reader,
    segments,
    address,
    HEADER_BYTES,
    "the header of Go's build information",
  );
  const flags = header.bytes[FLAGS_OFFSET] ?? 0;
  if ((flags & INLINE) !== 0) {
    const version = await inlineString(memory, address + HEADER_BYTES, MAX_VERSION_BYTES);
    const modules = await inlineString(memory, version.end, MAX_MODULES_BYTES);
    return { version: version.bytes.toString(), modules: withoutMarks(modules.bytes) };
  }
  const word = reader.identity.class / 8;
  const byteOrder = (flags & BIG_ENDIAN) === 0 ? 'little' : 'big';
  if (header.bytes[POINTER_SIZE_OFFSET] !== word || byteOrder !== reader.identity.byteOrder)
    throw reader.malformed("Go's build information has pointers for another machine");
  const version = await pointedString(memory, header.word(POINTERS_OFFSET), MAX_VERSION_BYTES);
  const modules = await pointedString(memory, header.word(POINTERS_OFFSET + word), MAX_MODULES_BYTES);
  return { version: version.toString(), modules: withoutMarks(modules) };
}

// The last line ends right before the closing mark; otherwise there is no module information, as for Go itself.
function withoutMarks(bytes: Buffer): string {
  const lines = bytes.subarray(MARK_BYTES, Math.max(MARK_BYTES, bytes.length - MARK_BYTES));
  return lines.at(-1) === 0x0a ? lines.toString() : '';
}

interface Memory {
  readonly reader: Reader;
  readonly segments: Segments;
}

// The length is a varint: 7 bits in each byte, lowest first, with the last byte below 128.
async function inlineString(
  memory: Memory,
  start: number,
  limit: number,
): Promise<{ readonly bytes: Buffer; readonly end: number }> {
  const { reader, segments } = memory;
  let length = 0;
  let address = start;
  for (let factor = 1; ; factor *= 128) {
    const { bytes } = await fieldsAt(reader, segments, address, 1, "a length in Go's build information");
    const byte = bytes[0] ?? 0;
    length += (byte % 128) * factor;
    address += 1;
    if (length > limit || factor > limit) throw tooLong(reader, limit);
    if (byte < 128) break;
  }
  return { bytes: await content(memory, address, length, limit), end: address + length };
}

// A Go string: the address of its bytes, and their number. Without an address, the linker recorded no string.
async function pointedString(memory: Memory, pointer: number, limit: number): Promise<Buffer> {
  const { reader, segments } = memory;
  if (pointer === 0) return Buffer.alloc(0);
  const word = reader.identity.class / 8;
  const string = await fieldsAt(reader, segments, pointer, 2 * word, "a string of Go's build information");
  return content(memory, string.word(0), string.word(word), limit);
}

async function content(
  { reader, segments }: Memory,
  address: number,
  length: number,
  limit: number,
): Promise<Buffer> {
  if (length === 0) return Buffer.alloc(0);
  if (length > limit) throw tooLong(reader, limit);
  const { bytes } = await fieldsAt(reader, segments, address, length, "the text of Go's build information");
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function tooLong(reader: Reader, limit: number): Error {
  return reader.malformed(`Go's build information has a string of more than ${limit} bytes`);
}
