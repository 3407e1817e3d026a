import { OciError } from '../errors.ts';
import { type EntryMetadata, tarSize } from './tar-header.ts';

/** How much of a layer is read before giving up. */
export interface LayerLimits {
  /** The size of the tar. */
  readonly bytes: number;
  readonly entries: number;
  /** The total of characters in all paths and link targets: those are kept in memory. */
  readonly names: number;
  /** The number of components in a path. */
  readonly depth: number;
  /** From the first byte to the last, including the time that the source takes. */
  readonly milliseconds: number;
}

/** The limits for a layer of unknown origin. */
export const MAX_LAYER: LayerLimits = {
  bytes: 16 * 1024 ** 3,
  entries: 1_000_000,
  names: 100 * 1024 ** 2,
  depth: 255,
  milliseconds: 60 * 60 * 1000,
};

/**
 * The limits for an image's layers made by commands, which have no planned size. Entries and names count for all of
 * these layers together. Reading the worst of such layers (this many entries, with names of two bytes per character,
 * and no two with the same time and owner) and applying them to others took 6.5 s of CPU time, and 230 MiB of memory
 * including Node's own 90 when garbage is collected early (`--max-semi-space-size=4`); with Node's defaults, 390 MiB.
 */
export const MAX_CHANGED_LAYER: LayerLimits = {
  bytes: 4 * 1024 ** 3,
  entries: 100_000,
  names: 10 * 1024 ** 2,
  depth: 255,
  milliseconds: 20 * 60 * 1000,
};

/** What remains of the limits that an image's layers share, after these layers: fewer entries and names. */
export function limitsAfter(limits: LayerLimits, read: readonly (readonly NamedEntry[])[]): LayerLimits {
  const entries = read.reduce((left, layer) => left - layer.length, limits.entries);
  const names = read.reduce((left, layer) => left - namesOf(layer), limits.names);
  return { ...limits, entries, names };
}

type NamedEntry = Pick<EntryMetadata, 'path' | 'target'>;

function namesOf(entries: readonly NamedEntry[]): number {
  return entries.reduce((sum, entry) => sum + nameLength(entry), 0);
}

const BASE_MILLISECONDS = 120_000;
const SLOWEST_BYTES_PER_MILLISECOND = 256;

/** How much is read beyond the plan, so that an error can name the surplus. */
const SPARE = { bytes: 64 * 1024, entries: 16, names: 64 * 1024, depth: 8 };

/** The limits for a layer with these entries; the time allows for 256 KB per second. */
export function layerLimits(entries: readonly EntryMetadata[]): LayerLimits {
  const bytes = tarSize(entries);
  return {
    bytes: bytes + SPARE.bytes,
    entries: entries.length + SPARE.entries,
    names: namesOf(entries) + SPARE.names,
    depth: entries.reduce((most, { path }) => Math.max(most, depthOf(path)), 0) + SPARE.depth,
    milliseconds: BASE_MILLISECONDS + Math.ceil(bytes / SLOWEST_BYTES_PER_MILLISECOND),
  };
}

/** Counts what is read from a layer. Every method throws `LAYER_LIMIT` once a limit is exceeded. */
export class LayerMeter {
  readonly #limits: LayerLimits;
  readonly #started = performance.now();
  #bytes = 0;
  #entries = 0;
  #names = 0;

  constructor(limits: LayerLimits) {
    this.#limits = limits;
  }

  addBytes(count: number): void {
    this.#bytes += count;
    if (this.#bytes > this.#limits.bytes) throw exceeded(`${this.#limits.bytes} bytes of tar`);
    if (performance.now() - this.#started > this.#limits.milliseconds) {
      throw exceeded(`${this.#limits.milliseconds / 1000} s of reading`);
    }
  }

  addEntry(entry: EntryMetadata): void {
    const { path } = entry;
    this.#entries += 1;
    this.#names += nameLength(entry);
    if (this.#entries > this.#limits.entries) throw exceeded(`${this.#limits.entries} entries`);
    if (this.#names > this.#limits.names) throw exceeded(`${this.#limits.names} characters of paths`);
    if (depthOf(path) > this.#limits.depth) {
      throw exceeded(`${this.#limits.depth} path components (${JSON.stringify(path.slice(0, 200))})`);
    }
  }
}

function nameLength({ path, target = '' }: NamedEntry): number {
  return path.length + target.length;
}

function depthOf(path: string): number {
  return path.split('/').length;
}

function exceeded(limit: string): OciError {
  return new OciError('LAYER_LIMIT', `layer: expected at most ${limit}, found more`);
}
