import { type Reader, textAt, u64 } from './reader.ts';

/** A program header. https://refspecs.linuxfoundation.org/elf/gabi4+/ch5.pheader.html */
interface Segment {
  readonly type: number;
  readonly flags: number;
  readonly offset: number;
  readonly address: number;
  readonly fileSize: number;
}

/** The segments that decide how a file is loaded. */
export interface Segments {
  /** PT_LOAD, by address. */
  readonly loaded: readonly Segment[];
  readonly interpreter: Segment | undefined;
  readonly dynamic: Segment | undefined;
  readonly stack: Segment | undefined;
}

// Far above what real files have, far below what would take long or much memory.
const MOST_PROGRAM_HEADERS = 1024;
const MOST_INTERPRETER_BYTES = 4096;

const HEADER_BYTES = 64;
const PROGRAM_HEADER_BYTES = 56;
const PT_LOAD = 1;
const PT_DYNAMIC = 2;
const PT_INTERP = 3;
const PT_GNU_STACK = 0x6474e551;
const PF_X = 1;

/**
 * Reads the program headers. Throws `TRUNCATED`, and `MALFORMED` for what kernel and loader could read in two ways:
 * a header that may be there once and is there twice, loaded segments that overlap or are out of order.
 */
export async function readSegments(reader: Reader): Promise<Segments> {
  const header = await reader.view(0, HEADER_BYTES, 'the ELF header');
  const count = header.getUint16(56, true);
  const entrySize = header.getUint16(54, true);
  if (count > 0 && entrySize !== PROGRAM_HEADER_BYTES)
    throw reader.malformed(`expected program headers of ${PROGRAM_HEADER_BYTES} bytes, found ${entrySize}`);
  if (count > MOST_PROGRAM_HEADERS)
    throw reader.malformed(`${count} program headers are more than ${MOST_PROGRAM_HEADERS}`);
  const tableOffset = count === 0 ? HEADER_BYTES : u64(header, 32);
  const table = await reader.view(tableOffset, count * PROGRAM_HEADER_BYTES, 'the program header table');
  const all = Array.from({ length: count }, (_, index) => segmentAt(table, index * PROGRAM_HEADER_BYTES));
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
  };
}

function segmentAt(table: DataView, start: number): Segment {
  return {
    type: table.getUint32(start, true),
    flags: table.getUint32(start + 4, true),
    offset: u64(table, start + 8),
    address: u64(table, start + 16),
    fileSize: u64(table, start + 32),
  };
}

function checkOrder(reader: Reader, loaded: readonly Segment[]): readonly Segment[] {
  for (const [index, segment] of loaded.entries()) {
    const before = loaded[index - 1];
    if (before !== undefined && segment.address < before.address + before.fileSize)
      throw reader.malformed('the loaded segments overlap or are not in the order of their addresses');
  }
  return loaded;
}

/** PT_INTERP's path, null where there is none. */
export async function readInterpreter(reader: Reader, segment: Segment | undefined): Promise<string | null> {
  if (segment === undefined) return null;
  if (segment.fileSize > MOST_INTERPRETER_BYTES)
    throw reader.malformed(`an interpreter of ${segment.fileSize} bytes`);
  const view = await reader.view(segment.offset, segment.fileSize, 'the interpreter');
  return textAt(reader, view, 0, 'the interpreter');
}

/** Whether the stack is executable; null where PT_GNU_STACK is absent. */
export function executableStackOf(stack: Segment | undefined): boolean | null {
  return stack === undefined ? null : (stack.flags & PF_X) !== 0;
}

/** Where in the file the bytes are that are loaded at an address; all of them have to be inside one segment. */
export function fileOffset(reader: Reader, { loaded }: Segments, address: number, length: number): number {
  const segment = loaded.find(
    ({ address: start, fileSize }) => address >= start && address + length <= start + fileSize,
  );
  if (segment === undefined)
    throw reader.malformed(
      `the ${length} bytes at the address 0x${address.toString(16)} are in no loaded segment`,
    );
  return segment.offset + (address - segment.address);
}
