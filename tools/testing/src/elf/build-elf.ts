import { type Encoding, FieldWriter } from './field-writer.ts';
import {
  elfHeader,
  HEADER_BYTES,
  PROGRAM_HEADER_BYTES,
  programHeader,
  type SectionFields,
  type SegmentFields,
  sectionHeaders,
} from './headers.ts';
import { StringTable } from './string-table.ts';
import { versionDefinitions, versionNeeds } from './version-tables.ts';

interface Wanted {
  readonly type?: 'exec' | 'dyn';
  readonly machine: keyof typeof MACHINES;
  /** Class and byte order default to those of the machine's Docker platform. */
  readonly class?: 32 | 64;
  readonly byteOrder?: 'little' | 'big';
  /** `e_flags`. */
  readonly flags?: number;
  readonly interpreter?: string | null;
  readonly needed?: readonly string[];
  readonly soname?: string | null;
  readonly rpath?: string | null;
  readonly runpath?: string | null;
  readonly executableStack?: boolean | null;
  readonly versionNeeds?: Readonly<Record<string, readonly string[]>>;
  readonly versionDefinitions?: readonly string[];
  readonly notes?: readonly WantedNote[];
  /** In a separate data segment, in this order, each aligned to 16 bytes. */
  readonly sections?: readonly WantedSection[];
  /** Leaves out the section headers. */
  readonly stripped?: boolean;
}

interface WantedNote {
  readonly owner: string;
  readonly type: number;
  /** In hex. */
  readonly description: string;
}

interface WantedSection {
  readonly name: string;
  /** Defaults to SHT_PROGBITS. */
  readonly type?: number;
  /** The bytes, which may depend on where they are loaded. */
  readonly content: Uint8Array | ((address: number) => Uint8Array);
}

// The number of each machine, and the class and byte order of its Docker platform.
const MACHINES = {
  i386: [3, 32, 'little'],
  ppc64: [21, 64, 'little'],
  s390: [22, 64, 'big'],
  arm: [40, 32, 'little'],
  x86_64: [62, 64, 'little'],
  aarch64: [183, 64, 'little'],
  riscv: [243, 64, 'little'],
} as const;

// Addresses differ from offsets by a different distance in each loaded segment, as in real files.
const BASE = 0x400000;
const DATA_BASE = 0x410000;
const SECTION_ALIGNMENT = 16;

/**
 * Builds a small ELF file with the given properties and no code: a loaded segment, a second one for sections, and
 * PT_INTERP, PT_DYNAMIC, PT_NOTE and PT_GNU_STACK if needed.
 * https://refspecs.linuxfoundation.org/elf/gabi4+/contents.html
 */
export function buildElf(wanted: Wanted): Buffer {
  const [machine, bits, order] = MACHINES[wanted.machine];
  const encoding = { class: wanted.class ?? bits, byteOrder: wanted.byteOrder ?? order };
  const hasDynamic = [
    wanted.soname,
    wanted.rpath,
    wanted.runpath,
    wanted.needed?.length,
    Object.keys(wanted.versionNeeds ?? {}).length,
    wanted.versionDefinitions?.length,
  ].some(Boolean);
  const hasStack = typeof wanted.executableStack === 'boolean';
  const count =
    1 + [wanted.interpreter, wanted.notes, hasDynamic, hasStack, wanted.sections].filter(Boolean).length;

  const file = new Content(HEADER_BYTES[encoding.class] + count * PROGRAM_HEADER_BYTES[encoding.class]);
  const segments: Omit<SegmentFields, 'base'>[] = [];
  if (wanted.interpreter)
    segments.push({ type: 3, flags: 4, ...file.add(Buffer.from(`${wanted.interpreter}\0`)) });
  if (wanted.notes) segments.push({ type: 4, flags: 4, ...file.add(noteSegment(wanted.notes, encoding)) });
  if (hasDynamic) segments.push({ type: 2, flags: 6, ...addDynamic(file, wanted, encoding) });
  if (hasStack)
    segments.push({ type: 0x6474e551, flags: wanted.executableStack ? 7 : 6, offset: 0, size: 0 });
  const first = { type: 1, flags: 5, offset: 0, size: file.length, base: BASE };

  const sections = (wanted.sections ?? []).map((section) => addSection(file, section));
  const data = { type: 1, flags: 6, offset: first.size, size: file.length - first.size, base: DATA_BASE };
  const table =
    wanted.sections === undefined || wanted.stripped
      ? undefined
      : sectionHeaders(sections, file.length, encoding);
  if (table !== undefined) file.add(table.names);
  const tableOffset = table === undefined ? 0 : file.add(table.headers).offset;

  const header = elfHeader(
    {
      type: wanted.type === 'exec' ? 2 : 3,
      machine,
      flags: wanted.flags ?? 0,
      segments: count,
      sections: table === undefined ? undefined : { offset: tableOffset, count: table.count },
    },
    encoding,
  );
  const all = [
    first,
    ...segments.map((each) => ({ ...each, base: BASE })),
    ...(wanted.sections ? [data] : []),
  ];
  return Buffer.concat([header, ...all.map((segment) => programHeader(segment, encoding)), file.bytes()]);
}

/** The part of a file after the headers. */
class Content {
  readonly #start: number;
  readonly #parts: Uint8Array[] = [];
  length: number;

  constructor(start: number) {
    this.#start = start;
    this.length = start;
  }

  add(bytes: Uint8Array): { readonly offset: number; readonly size: number } {
    const offset = this.length;
    this.#parts.push(bytes);
    this.length += bytes.length;
    return { offset, size: bytes.length };
  }

  bytes(): Buffer {
    return Buffer.concat(this.#parts, this.length - this.#start);
  }
}

function addSection(file: Content, { name, type = 1, content }: WantedSection): SectionFields {
  file.add(Buffer.alloc(-file.length & (SECTION_ALIGNMENT - 1)));
  const address = DATA_BASE + file.length;
  const bytes = typeof content === 'function' ? content(address) : content;
  return { name, type, address, bytes, offset: file.add(bytes).offset };
}

function addDynamic(
  file: Content,
  wanted: Wanted,
  encoding: Encoding,
): { readonly offset: number; readonly size: number } {
  const strings = new StringTable();
  const tags: [number, number][] = (wanted.needed ?? []).map((name) => [1, strings.add(name)]);
  for (const [tag, text] of [
    [14, wanted.soname],
    [15, wanted.rpath],
    [29, wanted.runpath],
  ] as const) {
    if (text) tags.push([tag, strings.add(text)]);
  }
  const libraries = Object.keys(wanted.versionNeeds ?? {}).length;
  if (libraries > 0) {
    const needs = file.add(versionNeeds(wanted.versionNeeds ?? {}, strings, encoding));
    tags.push([0x6ffffffe, BASE + needs.offset], [0x6fffffff, libraries]);
  }
  if (wanted.versionDefinitions?.length) {
    const definitions = file.add(versionDefinitions(wanted.versionDefinitions, strings, encoding));
    tags.push([0x6ffffffc, BASE + definitions.offset], [0x6ffffffd, wanted.versionDefinitions.length + 1]);
  }
  const table = file.add(strings.bytes());
  tags.push([5, BASE + table.offset], [10, table.size], [0, 0]);
  const word = encoding.class / 8;
  const segment = new FieldWriter(tags.length * 2 * word, encoding);
  for (const [index, [tag, value]] of tags.entries()) {
    segment.word(2 * word * index, tag);
    segment.word(2 * word * index + word, value);
  }
  return file.add(segment.bytes);
}

function noteSegment(notes: readonly WantedNote[], encoding: Encoding): Buffer {
  return Buffer.concat(
    notes.map(({ owner, type, description }) => {
      const name = Buffer.from(`${owner}\0`);
      const bytes = Buffer.from(description, 'hex');
      const start = 12 + Math.ceil(name.length / 4) * 4;
      const note = new FieldWriter(start + Math.ceil(bytes.length / 4) * 4, encoding);
      note.u32(0, name.length);
      note.u32(4, bytes.length);
      note.u32(8, type);
      note.bytes.set(name, 12);
      note.bytes.set(bytes, start);
      return note.bytes;
    }),
  );
}
