import { ElfError } from './errors.ts';
import { machineName } from './machine.ts';
import { type ByteSource, withFileSource } from './source.ts';

/** What an ELF file says of itself. https://refspecs.linuxfoundation.org/elf/gabi4+/contents.html */
export interface ElfFacts {
  readonly class: 32 | 64;
  readonly byteOrder: 'little' | 'big';
  /** `exec`, `dyn` (shared libraries and position-independent executables), `rel`, `core` or `ET_<number>`. */
  readonly type: string;
  /** `x86_64`, `aarch64`, … or `EM_<number>`. */
  readonly machine: string;
  /** PT_INTERP: the dynamic loader; null for a static executable and most libraries. */
  readonly interpreter: string | null;
  /** DT_NEEDED, in the file's order. */
  readonly needed: readonly string[];
  readonly soname: string | null;
  readonly rpath: string | null;
  readonly runpath: string | null;
  /** PT_GNU_STACK: whether the stack is executable; null where the header is absent, and the kernel decides. */
  readonly executableStack: boolean | null;
  /** DT_VERNEED: for each library the symbol versions wanted of it, sorted. */
  readonly versionNeeds: Readonly<Record<string, readonly string[]>>;
  /** DT_VERDEF: the symbol versions that the file provides, sorted; without its own name. */
  readonly versionDefinitions: readonly string[];
  /** No interpreter, nothing needed. */
  readonly static: boolean;
}

// Far above what real files have, far below what would take long or much memory.
const MOST_PROGRAM_HEADERS = 1024;
const MOST_DYNAMIC_BYTES = 1024 * 1024;
const MOST_STRING_TABLE_BYTES = 64 * 1024 * 1024;
const MOST_NAME_BYTES = 4096;
const MOST_VERSIONS = 4096;
const MOST_FACTS = 16_384;

const PT_LOAD = 1;
const PT_DYNAMIC = 2;
const PT_INTERP = 3;
const PT_GNU_STACK = 0x6474e551;
const PF_X = 1;

const DT_NULL = 0;
const DT_NEEDED = 1;
const DT_STRTAB = 5;
const DT_STRSZ = 10;
const DT_SONAME = 14;
const DT_RPATH = 15;
const DT_RUNPATH = 29;
const DT_VERDEF = 0x6ffffffc;
const DT_VERDEFNUM = 0x6ffffffd;
const DT_VERNEED = 0x6ffffffe;
const DT_VERNEEDNUM = 0x6fffffff;

const VER_FLG_BASE = 1;

const TYPES: Readonly<Record<number, string>> = { 1: 'rel', 2: 'exec', 3: 'dyn', 4: 'core' };

interface Segment {
  readonly type: number;
  readonly flags: number;
  readonly offset: number;
  readonly address: number;
  readonly fileSize: number;
}

/** Reads the facts of an ELF file. Throws `ElfError`; other errors are the file system's. */
export function openElf(path: string): Promise<ElfFacts> {
  return withFileSource(path, readElf);
}

/** What the first 20 bytes of an ELF file tell. */
export type ElfIdentity = Pick<ElfFacts, 'class' | 'byteOrder' | 'type' | 'machine'>;

/** How many bytes `readElfIdentity` needs. */
export const IDENTITY_BYTES = 20;

/**
 * Reads class, byte order, type and machine from the first bytes of a file. Throws `NOT_ELF` or `MALFORMED`; `name`
 * is what the message calls the file.
 */
export function readElfIdentity(bytes: Uint8Array, name: string): ElfIdentity {
  const view = new DataView(bytes.buffer, bytes.byteOffset, Math.min(bytes.byteLength, IDENTITY_BYTES));
  if (view.byteLength < IDENTITY_BYTES || view.getUint32(0) !== 0x7f454c46) {
    throw new ElfError('NOT_ELF', `${name}: expected an ELF file, found ${found(view)}`);
  }
  const fileClass = view.getUint8(4);
  const order = view.getUint8(5);
  if ((fileClass !== 1 && fileClass !== 2) || (order !== 1 && order !== 2)) {
    throw new ElfError('MALFORMED', `${name}: ELF class ${fileClass} and byte order ${order} do not exist`);
  }
  const type = view.getUint16(16, order === 1);
  return {
    class: fileClass === 2 ? 64 : 32,
    byteOrder: order === 1 ? 'little' : 'big',
    type: TYPES[type] ?? `ET_${type}`,
    machine: machineName(view.getUint16(18, order === 1)),
  };
}

/**
 * Reads the facts of an ELF file from its headers and its dynamic segment (section headers may be stripped).
 * The files of other than 64-bit little-endian machines are told by class, byte order, type and machine, and the
 * rest of their facts is empty. Reads a bounded part of the file, whatever its content. Throws `NOT_ELF`,
 * `TRUNCATED` or `MALFORMED`.
 */
export async function readElf(source: ByteSource): Promise<ElfFacts> {
  const reader = new Reader(source);
  const head = readElfIdentity(await source.read(0, Math.min(IDENTITY_BYTES, source.size)), source.name);
  if (head.class !== 64 || head.byteOrder !== 'little') return { ...head, ...NOTHING };
  const segments = await readSegments(reader);
  const stack = segments.find((segment) => segment.type === PT_GNU_STACK);
  const interpreter = await readInterpreter(reader, segments);
  const dynamic = await readDynamic(reader, segments);
  return {
    ...head,
    interpreter,
    ...dynamic,
    executableStack: stack === undefined ? null : (stack.flags & PF_X) !== 0,
    static: interpreter === null && dynamic.needed.length === 0,
  };
}

const NO_DYNAMIC = {
  needed: [],
  soname: null,
  rpath: null,
  runpath: null,
  versionNeeds: {},
  versionDefinitions: [],
} as const;

const NOTHING = { ...NO_DYNAMIC, interpreter: null, executableStack: null, static: false } as const;

function found(view: DataView): string {
  const bytes = Array.from({ length: Math.min(4, view.byteLength) }, (_, index) =>
    view.getUint8(index).toString(16).padStart(2, '0'),
  );
  return bytes.length === 0
    ? 'an empty file'
    : `${view.byteLength < 20 ? 'a short file' : 'a file'} that starts ${bytes.join(' ')}`;
}

class Reader {
  readonly #source: ByteSource;

  constructor(source: ByteSource) {
    this.#source = source;
  }

  get name(): string {
    return this.#source.name;
  }

  async view(offset: number, length: number, what: string): Promise<DataView> {
    if (!Number.isSafeInteger(offset) || offset < 0 || length < 0 || offset + length > this.#source.size) {
      throw new ElfError(
        'TRUNCATED',
        `${this.name}: ${what} (${length} bytes at ${offset}) is outside the file of ${this.#source.size} bytes`,
      );
    }
    const bytes = await this.#source.read(offset, length);
    return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  malformed(what: string): ElfError {
    return new ElfError('MALFORMED', `${this.name}: ${what}`);
  }
}

function u64(view: DataView, offset: number): number {
  return Number(view.getBigUint64(offset, true));
}

async function readSegments(reader: Reader): Promise<readonly Segment[]> {
  const header = await reader.view(0, 64, 'the ELF header');
  const tableOffset = u64(header, 32);
  const entrySize = header.getUint16(54, true);
  const count = header.getUint16(56, true);
  if (count === 0) return [];
  if (entrySize !== 56) throw reader.malformed(`expected program headers of 56 bytes, found ${entrySize}`);
  if (count > MOST_PROGRAM_HEADERS)
    throw reader.malformed(`${count} program headers are more than ${MOST_PROGRAM_HEADERS}`);
  const table = await reader.view(tableOffset, count * entrySize, 'the program header table');
  return Array.from({ length: count }, (_, index) => {
    const start = index * entrySize;
    return {
      type: table.getUint32(start, true),
      flags: table.getUint32(start + 4, true),
      offset: u64(table, start + 8),
      address: u64(table, start + 16),
      fileSize: u64(table, start + 32),
    };
  });
}

async function readInterpreter(reader: Reader, segments: readonly Segment[]): Promise<string | null> {
  const segment = segments.find(({ type }) => type === PT_INTERP);
  if (segment === undefined) return null;
  if (segment.fileSize > MOST_NAME_BYTES)
    throw reader.malformed(`an interpreter of ${segment.fileSize} bytes`);
  const view = await reader.view(segment.offset, segment.fileSize, 'the interpreter');
  return textAt(reader, view, 0, 'the interpreter');
}

function textAt(reader: Reader, view: DataView, offset: number, what: string): string {
  const bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
  const end = bytes.subarray(0, offset + MOST_NAME_BYTES).indexOf(0, offset);
  if (offset >= bytes.length || end < 0)
    throw reader.malformed(`${what} is no terminated string of its table`);
  return new TextDecoder().decode(bytes.subarray(offset, end));
}

async function readDynamic(reader: Reader, segments: readonly Segment[]): Promise<DynamicFacts> {
  const segment = segments.find(({ type }) => type === PT_DYNAMIC);
  if (segment === undefined) return NO_DYNAMIC;
  if (segment.fileSize > MOST_DYNAMIC_BYTES)
    throw reader.malformed(`a dynamic segment of ${segment.fileSize} bytes`);
  const entries = dynamicEntries(await reader.view(segment.offset, segment.fileSize, 'the dynamic segment'));
  const stringAddress = entries.get(DT_STRTAB)?.[0];
  if (stringAddress === undefined) return NO_DYNAMIC;
  const stringSize = entries.get(DT_STRSZ)?.[0] ?? 0;
  if (stringSize > MOST_STRING_TABLE_BYTES)
    throw reader.malformed(`a dynamic string table of ${stringSize} bytes`);
  const strings = await reader.view(
    fileOffset(reader, segments, stringAddress),
    stringSize,
    'the dynamic string table',
  );
  const text = (offset: number): string => textAt(reader, strings, offset, 'a dynamic string');
  const one = (tag: number): string | null => {
    const offset = entries.get(tag)?.[0];
    return offset === undefined ? null : text(offset);
  };
  const needed = entries.get(DT_NEEDED) ?? [];
  if (needed.length > MOST_FACTS) throw reader.malformed(`${needed.length} needed libraries`);
  return {
    needed: needed.map(text),
    soname: one(DT_SONAME),
    rpath: one(DT_RPATH),
    runpath: one(DT_RUNPATH),
    versionNeeds: await readVersionNeeds(reader, segments, entries, text),
    versionDefinitions: await readVersionDefinitions(reader, segments, entries, text),
  };
}

type DynamicFacts = Pick<
  ElfFacts,
  'needed' | 'soname' | 'rpath' | 'runpath' | 'versionNeeds' | 'versionDefinitions'
>;

function dynamicEntries(view: DataView): ReadonlyMap<number, readonly number[]> {
  const entries = new Map<number, number[]>();
  for (let at = 0; at + 16 <= view.byteLength; at += 16) {
    const tag = u64(view, at);
    if (tag === DT_NULL) break;
    const values = entries.get(tag) ?? [];
    values.push(u64(view, at + 8));
    entries.set(tag, values);
  }
  return entries;
}

function fileOffset(reader: Reader, segments: readonly Segment[], address: number): number {
  const segment = segments.find(
    ({ type, address: start, fileSize }) =>
      type === PT_LOAD && address >= start && address < start + fileSize,
  );
  if (segment === undefined)
    throw reader.malformed(`the address 0x${address.toString(16)} is in no loaded segment`);
  return segment.offset + (address - segment.address);
}

type TextOf = (offset: number) => string;
type Entries = ReadonlyMap<number, readonly number[]>;

function tableOf(
  reader: Reader,
  segments: readonly Segment[],
  entries: Entries,
  tags: { readonly table: number; readonly count: number },
): { readonly offset: number; readonly count: number } | undefined {
  const address = entries.get(tags.table)?.[0];
  const count = entries.get(tags.count)?.[0] ?? 0;
  if (address === undefined || count === 0) return undefined;
  if (count > MOST_VERSIONS)
    throw reader.malformed(`${count} version records are more than ${MOST_VERSIONS}`);
  return { offset: fileOffset(reader, segments, address), count };
}

// Elfxx_Verneed and Elfxx_Vernaux: https://refspecs.linuxfoundation.org/LSB_5.0.0/LSB-Core-generic/LSB-Core-generic/symversion.html
async function readVersionNeeds(
  reader: Reader,
  segments: readonly Segment[],
  entries: Entries,
  text: TextOf,
): Promise<Readonly<Record<string, readonly string[]>>> {
  const table = tableOf(reader, segments, entries, { table: DT_VERNEED, count: DT_VERNEEDNUM });
  const needs = new Map<string, Set<string>>();
  if (table === undefined) return {};
  let facts = 0;
  let at = table.offset;
  for (let index = 0; index < table.count; index += 1) {
    const need = await reader.view(at, 16, 'a version need');
    const library = text(need.getUint32(4, true));
    const versions = needs.get(library) ?? new Set<string>();
    needs.set(library, versions);
    let auxiliary = at + need.getUint32(8, true);
    for (let left = need.getUint16(2, true); left > 0; left -= 1) {
      facts += 1;
      if (facts > MOST_FACTS) throw reader.malformed(`more than ${MOST_FACTS} symbol versions`);
      const entry = await reader.view(auxiliary, 16, 'a needed version');
      versions.add(text(entry.getUint32(8, true)));
      const next = entry.getUint32(12, true);
      if (next === 0) break;
      auxiliary += next;
    }
    const next = need.getUint32(12, true);
    if (next === 0) break;
    at += next;
  }
  return Object.fromEntries([...needs].map(([library, versions]) => [library, [...versions].sort()]));
}

// Elfxx_Verdef and Elfxx_Verdaux, of the same specification.
async function readVersionDefinitions(
  reader: Reader,
  segments: readonly Segment[],
  entries: Entries,
  text: TextOf,
): Promise<readonly string[]> {
  const table = tableOf(reader, segments, entries, { table: DT_VERDEF, count: DT_VERDEFNUM });
  if (table === undefined) return [];
  const versions = new Set<string>();
  let at = table.offset;
  for (let index = 0; index < table.count; index += 1) {
    const definition = await reader.view(at, 20, 'a version definition');
    if ((definition.getUint16(2, true) & VER_FLG_BASE) === 0) {
      const entry = await reader.view(at + definition.getUint32(12, true), 8, 'a defined version');
      versions.add(text(entry.getUint32(0, true)));
    }
    const next = definition.getUint32(16, true);
    if (next === 0) break;
    at += next;
  }
  return [...versions].sort();
}
