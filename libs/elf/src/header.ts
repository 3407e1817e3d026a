import type { Reader } from './reader.ts';

/** The fields in the ELF header besides the file's identity. */
export interface Header {
  /** `e_flags`; their meaning depends on the machine. */
  readonly flags: number;
  readonly programHeaders: Table;
  readonly sectionHeaders: Table;
  /** `e_shstrndx`: the section that contains the section names. */
  readonly sectionNames: number;
}

/** The location of a header table in the file. Everything except the count is in bytes. */
export interface Table {
  readonly offset: number;
  readonly entrySize: number;
  readonly count: number;
}

const HEADER_BYTES = { 32: 52, 64: 64 } as const;
const PROGRAM_HEADERS_OFFSET = { 32: 28, 64: 32 } as const;
const SECTION_HEADERS_OFFSET = { 32: 32, 64: 40 } as const;
const FLAGS_OFFSET = { 32: 36, 64: 48 } as const;

/** Reads the ELF header. Throws `TRUNCATED`. https://refspecs.linuxfoundation.org/elf/gabi4+/ch4.eheader.html */
export async function readHeader(reader: Reader): Promise<Header> {
  const { class: bits } = reader.identity;
  const header = await reader.fields(0, HEADER_BYTES[bits], 'the ELF header');
  const flagsAt = FLAGS_OFFSET[bits];
  const table = (offsetAt: number, entrySizeAt: number): Table => ({
    offset: header.word(offsetAt),
    entrySize: header.u16(entrySizeAt),
    count: header.u16(entrySizeAt + 2),
  });
  return {
    flags: header.u32(flagsAt),
    programHeaders: table(PROGRAM_HEADERS_OFFSET[bits], flagsAt + 6),
    sectionHeaders: table(SECTION_HEADERS_OFFSET[bits], flagsAt + 10),
    sectionNames: header.u16(flagsAt + 14),
  };
}
