import { type Encoding, FieldWriter } from './field-writer.ts';
import { StringTable } from './string-table.ts';

/** Fields of the ELF header. */
interface HeaderFields {
  readonly type: number;
  readonly machine: number;
  readonly flags: number;
  readonly segments: number;
  /** The offset and count of the section headers; the last one is for the names. */
  readonly sections: { readonly offset: number; readonly count: number } | undefined;
}

/** A program header; its address is its offset plus `base`. */
export interface SegmentFields {
  readonly type: number;
  readonly flags: number;
  readonly offset: number;
  readonly size: number;
  readonly base: number;
}

/** A section and its location. */
export interface SectionFields {
  readonly name: string;
  readonly type: number;
  readonly address: number;
  readonly offset: number;
  readonly bytes: Uint8Array;
}

/** Sizes of the ELF header and of one program header in bytes, by class. */
export const HEADER_BYTES = { 32: 52, 64: 64 } as const;
export const PROGRAM_HEADER_BYTES = { 32: 32, 64: 56 } as const;
const SECTION_HEADER_BYTES = { 32: 40, 64: 64 } as const;
const SHT_STRTAB = 3;
const ALIGNMENT = 4;

/** https://refspecs.linuxfoundation.org/elf/gabi4+/ch4.eheader.html */
export function elfHeader(fields: HeaderFields, encoding: Encoding): Buffer {
  const { class: bits, byteOrder } = encoding;
  const header = new FieldWriter(HEADER_BYTES[bits], encoding);
  header.bytes.write('\x7fELF', 'latin1');
  header.bytes.set([bits === 64 ? 2 : 1, byteOrder === 'little' ? 1 : 2, 1], 4);
  header.u16(16, fields.type);
  header.u16(18, fields.machine);
  header.u32(20, 1);
  const word = bits / 8;
  header.word(24 + word, HEADER_BYTES[bits]);
  header.word(24 + 2 * word, fields.sections?.offset ?? 0);
  const rest = 24 + 3 * word;
  header.u32(rest, fields.flags);
  header.u16(rest + 4, HEADER_BYTES[bits]);
  header.u16(rest + 6, PROGRAM_HEADER_BYTES[bits]);
  header.u16(rest + 8, fields.segments);
  header.u16(rest + 10, SECTION_HEADER_BYTES[bits]);
  header.u16(rest + 12, fields.sections?.count ?? 0);
  header.u16(rest + 14, fields.sections === undefined ? 0 : fields.sections.count - 1);
  return header.bytes;
}

/** https://refspecs.linuxfoundation.org/elf/gabi4+/ch5.pheader.html */
export function programHeader(segment: SegmentFields, encoding: Encoding): Buffer {
  const { type, flags, offset, size, base } = segment;
  const header = new FieldWriter(PROGRAM_HEADER_BYTES[encoding.class], encoding);
  header.u32(0, type);
  if (encoding.class === 64) {
    header.u32(4, flags);
    for (const [at, value] of [offset, base + offset, 0, size, size, ALIGNMENT].entries())
      header.word(8 + 8 * at, value);
  } else {
    for (const [at, value] of [offset, base + offset, 0, size, size, flags, ALIGNMENT].entries())
      header.word(4 + 4 * at, value);
  }
  return header.bytes;
}

/**
 * The names of the sections, followed by the section headers: an empty one, the given ones, and that of the names.
 * `start` is the offset of the names in the file. https://refspecs.linuxfoundation.org/elf/gabi4+/ch4.sheader.html
 */
export function sectionHeaders(
  sections: readonly SectionFields[],
  start: number,
  encoding: Encoding,
): { readonly names: Buffer; readonly headers: Buffer; readonly count: number } {
  const table = new StringTable();
  const named = [...sections, { name: '.shstrtab', type: SHT_STRTAB, address: 0, offset: start }].map(
    (section) => ({ ...section, nameOffset: table.add(section.name) }),
  );
  const names = table.bytes();
  const word = encoding.class / 8;
  const headers = named.map((section) => {
    const header = new FieldWriter(SECTION_HEADER_BYTES[encoding.class], encoding);
    header.u32(0, section.nameOffset);
    header.u32(4, section.type);
    header.word(8 + word, section.address);
    header.word(8 + 2 * word, section.offset);
    header.word(8 + 3 * word, 'bytes' in section ? section.bytes.length : names.length);
    return header.bytes;
  });
  const empty = Buffer.alloc(SECTION_HEADER_BYTES[encoding.class]);
  return { names, headers: Buffer.concat([empty, ...headers]), count: headers.length + 1 };
}
