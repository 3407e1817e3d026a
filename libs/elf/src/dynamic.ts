import type { Fields } from './fields.ts';
import type { Reader } from './reader.ts';
import { fileOffset, type Segments } from './segments.ts';
import { textAt } from './text.ts';
import { readVersionDefinitions, readVersionNeeds } from './versions.ts';

/** The facts in the dynamic segment. */
export interface DynamicFacts {
  /** DT_NEEDED, in file order. */
  readonly needed: readonly string[];
  readonly soname: string | null;
  readonly rpath: string | null;
  readonly runpath: string | null;
  /** DT_VERNEED: for each library, the symbol versions needed from it, sorted. */
  readonly versionNeeds: Readonly<Record<string, readonly string[]>>;
  /** DT_VERDEF: the symbol versions that the file provides, sorted, without the file's own name. */
  readonly versionDefinitions: readonly string[];
}

// Far more than real files have, and far less than would take long or use much memory.
const MAX_DYNAMIC_BYTES = 1024 * 1024;
const MAX_STRING_TABLE_BYTES = 32 * 1024 * 1024;
const MAX_NEEDED = 4096;

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

const NO_DYNAMIC: DynamicFacts = {
  needed: [],
  soname: null,
  rpath: null,
  runpath: null,
  versionNeeds: {},
  versionDefinitions: [],
};

/**
 * Reads the dynamic segment as the dynamic loader does, by addresses. Anything that the loader and a reader of file
 * offsets would see differently is `MALFORMED`. https://refspecs.linuxfoundation.org/elf/gabi4+/ch5.dynamic.html
 */
export async function readDynamic(reader: Reader, segments: Segments): Promise<DynamicFacts> {
  const segment = segments.dynamic;
  if (segment === undefined) return NO_DYNAMIC;
  if (segment.fileSize > MAX_DYNAMIC_BYTES)
    throw reader.malformed(`a dynamic segment of ${segment.fileSize} bytes`);
  const fields = await reader.fields(segment.offset, segment.fileSize, 'the dynamic segment');
  const loadedFrom = fileOffset(reader, segments, segment.address, segment.fileSize);
  if (loadedFrom !== segment.offset)
    throw reader.malformed(
      `expected the dynamic segment at ${segment.offset}, found it loaded from ${loadedFrom}`,
    );
  const entries = dynamicEntries(reader, fields);
  const one = (tag: number, name: string): number | undefined => {
    const [first, second] = entries.get(tag) ?? [];
    if (second !== undefined) throw reader.malformed(`expected one ${name}, found several`);
    return first;
  };
  const text = await readStrings(reader, segments, one(DT_STRTAB, 'DT_STRTAB'), one(DT_STRSZ, 'DT_STRSZ'));
  const textOf = (tag: number, name: string): string | null => {
    const offset = one(tag, name);
    return offset === undefined ? null : text(offset);
  };
  const needed = entries.get(DT_NEEDED) ?? [];
  if (needed.length > MAX_NEEDED) throw reader.malformed(`${needed.length} needed libraries`);
  const versions = { reader, segments, text };
  return {
    needed: needed.map(text),
    soname: textOf(DT_SONAME, 'DT_SONAME'),
    rpath: textOf(DT_RPATH, 'DT_RPATH'),
    runpath: textOf(DT_RUNPATH, 'DT_RUNPATH'),
    versionNeeds: await readVersionNeeds(
      versions,
      one(DT_VERNEED, 'DT_VERNEED'),
      one(DT_VERNEEDNUM, 'DT_VERNEEDNUM'),
    ),
    versionDefinitions: await readVersionDefinitions(
      versions,
      one(DT_VERDEF, 'DT_VERDEF'),
      one(DT_VERDEFNUM, 'DT_VERDEFNUM'),
    ),
  };
}

function dynamicEntries(reader: Reader, fields: Fields): ReadonlyMap<number, readonly number[]> {
  const entries = new Map<number, number[]>();
  const word = reader.identity.class / 8;
  for (let at = 0; at + 2 * word <= fields.length; at += 2 * word) {
    const tag = fields.word(at);
    if (tag === DT_NULL) return entries;
    const values = entries.get(tag) ?? [];
    values.push(fields.word(at + word));
    entries.set(tag, values);
  }
  throw reader.malformed('the dynamic segment is not terminated');
}

// Without a string table, reading any string is an error: a need that can't be read is not the absence of one.
async function readStrings(
  reader: Reader,
  segments: Segments,
  address: number | undefined,
  size: number | undefined,
): Promise<(offset: number) => string> {
  if (address === undefined || size === undefined) {
    return () => {
      throw reader.malformed('the dynamic segment refers to strings but has no string table');
    };
  }
  if (size > MAX_STRING_TABLE_BYTES) throw reader.malformed(`a dynamic string table of ${size} bytes`);
  const { bytes } = await reader.fields(
    fileOffset(reader, segments, address, size),
    size,
    'the dynamic string table',
  );
  return (offset) => textAt(reader, bytes, offset, 'a dynamic string');
}
