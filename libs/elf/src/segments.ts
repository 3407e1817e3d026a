import type { Fields } from './fields.ts';
import type { Table } from './header.ts';
import type { Reader } from './reader.ts';
import { textAt } from './text.ts';

/** A program header. https://refspecs.linuxfoundation.org/elf/gabi4+/ch5.pheader.html */
export interface Segment {
  readonly type: number;
  readonly writable: boolean;
  readonly executable: boolean;
  readonly offset: number;
  readonly address: number;
  readonly fileSize: number;
  readonly alignment: number;
}

/** The segments that determine how a file is loaded, and those that describe it. */
export interface Segments {
  /** PT_LOAD, by address. */
  readonly loaded: readonly Segment[];
  readonly interpreter: Segment | undefined;
  readonly dynamic: Segment | undefined;
  readonly stack: Segment | undefined;
  /** PT_NOTE, in file order. */
  readonly notes: readonly Segment[];
}

// Far more than real files have, and far less than would take long or use much memory.
const MAX_PROGRAM_HEADERS = 1024;
const MAX_INTERPRETER_BYTES = 4096;

const PROGRAM_HEADER_BYTES = { 32: 32, 64: 56 } as const;
const PT_LOAD = 1;
const PT_DYNAMIC = 2;
const PT_INTERP = 3;
const PT_NOTE = 4;
const PT_GNU_STACK = 0x6474e551;
const PF_X = 1;
const PF_W = 2;

/**
 * Reads the program headers. Throws `TRUNCATED`, and `MALFORMED` for anything that the kernel and the loader could read
 * differently: a duplicate header that may occur only once, or loaded segments that overlap or are out of order.
 */
export async function readSegments(reader: Reader, { offset, entrySize, count }: Table): Promise<Segments> {
  const size = PROGRAM_HEADER_BYTES[reader.identity.class];
  if (count > 0 && entrySize !== size)
    throw reader.malformed(`expected program headers of ${size} bytes, found ${entrySize}`);
  if (count > MAX_PROGRAM_HEADERS)
    throw reader.malformed(`${count} program headers are more than ${MAX_PROGRAM_HEADERS}`);
  const table = await reader.fields(count === 0 ? 0 : offset, count * size, 'the program header table');
  const all = Array.from({ length: count }, (_, index) =>
    reader.identity.class === 64 ? segment64(table, index * size) : segment32(table, index * size),
  );
  const one = (type: number, name: string): Segment | undefined => {
    const [first, second] = all.filter((segment) => segment.type === type);
    if (second !== undefined) throw reader.malformed(`expected one ${name} header, found several`);
    return first;
  };
  return {
    loaded: checkOrder(
      reader,
      all.filter(({ type }) => type === PT_LOAD),
    ),
    interpreter: one(PT_INTERP, 'PT_INTERP'),
    dynamic: one(PT_DYNAMIC, 'PT_DYNAMIC'),
    stack: one(PT_GNU_STACK, 'PT_GNU_STACK'),
    notes: all.filter(({ type }) => type === PT_NOTE),
  };
}

// The two classes have the flags in different places, so that 64-bit fields are aligned.
function segment64(table: Fields, start: number): Segment {
  return {
    type: table.u32(start),
    ...permissions(table.u32(start + 4)),
    offset: table.u64(start + 8),
    address: table.u64(start + 16),
    fileSize: table.u64(start + 32),
    alignment: table.u64(start + 48),
  };
}

function segment32(table: Fields, start: number): Segment {
  return {
    type: table.u32(start),
    ...permissions(table.u32(start + 24)),
    offset: table.u32(start + 4),
    address: table.u32(start + 8),
    fileSize: table.u32(start + 16),
    alignment: table.u32(start + 28),
  };
}

function permissions(flags: number): Pick<Segment, 'writable' | 'executable'> {
  return { writable: (flags & PF_W) !== 0, executable: (flags & PF_X) !== 0 };
}

function checkOrder(reader: Reader, loaded: readonly Segment[]): readonly Segment[] {
  for (const [index, segment] of loaded.entries()) {
    const before = loaded[index - 1];
    if (before !== undefined && segment.address < before.address + before.fileSize)
      throw reader.malformed('the loaded segments overlap or are not in address order');
  }
  return loaded;
}

/** The path in PT_INTERP; null if there is none. */
export async function readInterpreter(reader: Reader, segment: Segment | undefined): Promise<string | null> {
  if (segment === undefined) return null;
  if (segment.fileSize > MAX_INTERPRETER_BYTES)
    throw reader.malformed(`an interpreter of ${segment.fileSize} bytes`);
  const { bytes } = await reader.fields(segment.offset, segment.fileSize, 'the interpreter');
  return textAt(reader, bytes, 0, 'the interpreter');
}

/** The file offset of the bytes that are loaded at an address; all of them must be in one segment. */
export function fileOffset(
  reader: Reader,
  { loaded }: Pick<Segments, 'loaded'>,
  address: number,
  length: number,
): number {
  const segment = loaded.find(
    ({ address: start, fileSize }) => address >= start && address + length <= start + fileSize,
  );
  if (segment === undefined)
    throw reader.malformed(
      `the ${length} bytes at the address 0x${address.toString(16)} are in no loaded segment`,
    );
  return segment.offset + (address - segment.address);
}

/** The fields that are loaded at an address. Throws `MALFORMED` if they are in no segment, or `TRUNCATED`. */
export function fieldsAt(
  reader: Reader,
  segments: Pick<Segments, 'loaded'>,
  address: number,
  length: number,
  what: string,
): Promise<Fields> {
  return reader.fields(fileOffset(reader, segments, address, length), length, what);
}
