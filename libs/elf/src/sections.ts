import type { Fields } from './fields.ts';
import type { Header } from './header.ts';
import type { Reader } from './reader.ts';

/** A section header. https://refspecs.linuxfoundation.org/elf/gabi4+/ch4.sheader.html */
export interface Section {
  readonly type: number;
  /** The address where the section is loaded; 0 if it is not. */
  readonly address: number;
  readonly offset: number;
  readonly size: number;
}

interface NamedSection extends Section {
  /** In bytes from the start of the section with the names. */
  readonly name: number;
}

// Executables have about forty sections; only object files can have thousands.
const MAX_SECTIONS = 16_384;
const MAX_NAMES_BYTES = 1024 * 1024;

const SECTION_HEADER_BYTES = { 32: 40, 64: 64 } as const;
const SHT_NOBITS = 8;

/**
 * The first section with a name; undefined if there is none. Section headers may be stripped, and the kernel does not
 * look at them. Throws `TRUNCATED` or `MALFORMED` for headers or names that are not in the file.
 */
export async function sectionNamed(
  reader: Reader,
  header: Header,
  name: string,
): Promise<Section | undefined> {
  const sections = await readSections(reader, header);
  if (sections.length === 0) return undefined;
  const table = sections[header.sectionNames];
  if (table === undefined || table.type === SHT_NOBITS)
    throw reader.malformed(
      `expected the names of the sections in section ${header.sectionNames}, found none`,
    );
  if (table.size > MAX_NAMES_BYTES) throw reader.malformed(`${table.size} bytes of section names`);
  const { bytes } = await reader.fields(table.offset, table.size, 'the names of the sections');
  const names = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const wanted = Buffer.from(`${name}\0`);
  return sections.find(
    (section) =>
      section.type !== SHT_NOBITS &&
      names.subarray(section.name, section.name + wanted.length).equals(wanted),
  );
}

/**
 * The first section of a type; undefined if there is none. Throws `TRUNCATED` or `MALFORMED` as `sectionNamed` does.
 */
export async function sectionOfType(
  reader: Reader,
  header: Header,
  type: number,
): Promise<Section | undefined> {
  return (await readSections(reader, header)).find((section) => section.type === type);
}

async function readSections(
  reader: Reader,
  { sectionHeaders: { offset, entrySize, count } }: Header,
): Promise<readonly NamedSection[]> {
  if (offset === 0) return [];
  const size = SECTION_HEADER_BYTES[reader.identity.class];
  if (entrySize !== size)
    throw reader.malformed(`expected section headers of ${size} bytes, found ${entrySize}`);
  // A file with 65,280 sections or more says 0 here, and gives the number in its first section.
  const total =
    count > 0
      ? count
      : sectionAt(reader, await reader.fields(offset, size, 'the first section header'), 0).size;
  if (total > MAX_SECTIONS) throw reader.malformed(`${total} sections are more than ${MAX_SECTIONS}`);
  const table = await reader.fields(offset, total * size, 'the section header table');
  return Array.from({ length: total }, (_, index) => sectionAt(reader, table, index * size));
}

function sectionAt(reader: Reader, table: Fields, start: number): NamedSection {
  const word = reader.identity.class / 8;
  return {
    name: table.u32(start),
    type: table.u32(start + 4),
    address: table.word(start + 8 + word),
    offset: table.word(start + 8 + 2 * word),
    size: table.word(start + 8 + 3 * word),
  };
}
