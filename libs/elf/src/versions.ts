import type { Fields } from './fields.ts';
import type { Reader } from './reader.ts';
import { fileOffset, type Segments } from './segments.ts';

/** The context for reading version tables; `text` returns a string from the dynamic string table. */
interface Tables {
  readonly reader: Reader;
  readonly segments: Segments;
  readonly text: (offset: number) => string;
}

// Far more than real files have, and far less than would take long or use much memory.
const MAX_VERSIONS = 4096;

const NEED_BYTES = 16;
const NEEDED_VERSION_BYTES = 16;
const DEFINITION_BYTES = 20;
const DEFINED_VERSION_BYTES = 8;
const VER_FLG_BASE = 1;

/**
 * DT_VERNEED: the versions needed from each library, sorted. The loader follows the chain to its end and ignores the
 * count; a chain whose length differs from its count is `MALFORMED`.
 * https://refspecs.linuxfoundation.org/LSB_5.0.0/LSB-Core-generic/LSB-Core-generic/symversion.html
 */
export async function readVersionNeeds(
  tables: Tables,
  address: number | undefined,
  count: number | undefined,
): Promise<Readonly<Record<string, readonly string[]>>> {
  if (address === undefined) return {};
  const { text } = tables;
  const needs = new Map<string, Set<string>>();
  const budget = newBudget(tables.reader);
  for await (const need of chain(tables, address, count, {
    bytes: NEED_BYTES,
    next: 12,
    what: 'a version need',
    budget,
  })) {
    const library = text(need.fields.u32(4));
    const versions = needs.get(library) ?? new Set<string>();
    needs.set(library, versions);
    const first = need.address + need.fields.u32(8);
    for await (const wanted of chain(tables, first, need.fields.u16(2), {
      bytes: NEEDED_VERSION_BYTES,
      next: 12,
      what: 'a needed version',
      budget,
    })) {
      versions.add(text(wanted.fields.u32(8)));
    }
  }
  return Object.fromEntries([...needs].map(([library, versions]) => [library, [...versions].sort()]));
}

/** DT_VERDEF: the versions that the file provides, sorted, without the file's own name. Same specification. */
export async function readVersionDefinitions(
  tables: Tables,
  address: number | undefined,
  count: number | undefined,
): Promise<readonly string[]> {
  if (address === undefined) return [];
  const { reader, segments, text } = tables;
  const versions = new Set<string>();
  for await (const definition of chain(tables, address, count, {
    bytes: DEFINITION_BYTES,
    next: 16,
    what: 'a version definition',
    budget: newBudget(reader),
  })) {
    if ((definition.fields.u16(2) & VER_FLG_BASE) !== 0) continue;
    const at = definition.address + definition.fields.u32(12);
    const defined = await reader.fields(
      fileOffset(reader, segments, at, DEFINED_VERSION_BYTES),
      DEFINED_VERSION_BYTES,
      'a defined version',
    );
    versions.add(text(defined.u32(0)));
  }
  return [...versions].sort();
}

type Budget = () => void;

function newBudget(reader: Reader): Budget {
  let records = 0;
  return () => {
    records += 1;
    if (records > MAX_VERSIONS) throw reader.malformed(`more than ${MAX_VERSIONS} version records`);
  };
}

interface RecordShape {
  readonly bytes: number;
  /** The offset in a record of the distance to the next one; a distance of 0 ends the chain. */
  readonly next: number;
  readonly what: string;
  readonly budget: Budget;
}

// Distances are unsigned, so a chain never goes backward.
async function* chain(
  { reader, segments }: Tables,
  start: number,
  count: number | undefined,
  shape: RecordShape,
): AsyncGenerator<{ readonly fields: Fields; readonly address: number }> {
  let address = start;
  for (let found = 1; ; found += 1) {
    shape.budget();
    const offset = fileOffset(reader, segments, address, shape.bytes);
    const fields = await reader.fields(offset, shape.bytes, shape.what);
    yield { fields, address };
    const distance = fields.u32(shape.next);
    if (distance === 0) {
      if (found === count) return;
      throw reader.malformed(
        `expected ${count ?? 'no'} records that begin with ${shape.what}, found ${found}`,
      );
    }
    address += distance;
  }
}
