import { execFile } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import { createGzip } from 'node:zlib';
import { digestOf, type LayerLimits, layerMediaType, MAX_CHANGED_LAYER, type ReadEntry } from '@prebuilt/oci';
import { forgedEntry, forgedHeader, forgedRecords, TAR_END } from '@prebuilt/testing/layers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readChanged } from './proof.ts';

const MIB = 1024 * 1024;

describe('the layers created by commands', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'changed-'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  it('the layers created by commands share one limit for entries and one for their names', async () => {
    const limits = { ...MAX_CHANGED_LAYER, entries: 10, names: 100 };
    const layer = { mediaType: layerMediaType('gzip'), digest: digestOf('layer'), size: 1 };
    const reading = { layer, options: { compression: 'gzip', contents: 'changes', limits } } as const;
    const entry = { path: 'etc/link', target: '/app' } as ReadEntry;
    const given: (LayerLimits | undefined)[] = [];
    await readChanged([reading, reading, reading], async ({ options }) => {
      given.push(options.limits);
      return [entry, entry];
    });
    expect(given).toEqual([
      limits,
      { ...limits, entries: 8, names: 76 },
      { ...limits, entries: 6, names: 52 },
    ]);
  });

  it('the layers created by commands need less than 256 MiB for the maximum of entries and names', async () => {
    const { entries, names, unprovenFiles, peak } = await cost(largestLayer());
    expect({ entries, unprovenFiles }).toEqual({
      entries: MAX_CHANGED_LAYER.entries,
      unprovenFiles: MAX_CHANGED_LAYER.entries - 1,
    });
    expect(names / MAX_CHANGED_LAYER.names).toBeGreaterThan(0.99);
    expect(peak).toBeLessThan(256 * MIB);
  }, 120_000);

  it('the layers created by commands need less than 256 MiB for entries with the largest allowed attributes', async () => {
    const { entries, peak } = await cost(attributedLayer(1500));
    expect(entries).toBe(1500);
    expect(peak).toBeLessThan(256 * MIB);
  }, 120_000);

  // With early garbage collection, the peak shows the memory that is needed rather than garbage.
  const FLAGS = ['--max-semi-space-size=4', '--max-old-space-size=128', '--input-type=module-typescript'];
  async function cost(layer: Iterable<Buffer>) {
    const file = join(folder, 'layer');
    await pipeline(layer, createGzip({ level: 1 }), createWriteStream(file));
    const { stdout } = await promisify(execFile)(process.execPath, [...FLAGS, '--eval', SOURCE, file]);
    return JSON.parse(stdout);
  }
});

const program = forgedEntry({ name: 'app' }, 'app');

/** A program, and very many files with long names and different times. */
function* largestLayer(): Generator<Buffer> {
  const { entries, names } = MAX_CHANGED_LAYER;
  const prefix = 'f'.repeat(50);
  const rest = Math.floor(names / entries) - prefix.length - 1;
  yield program;
  yield forgedHeader({ name: `${prefix}/`, flag: '5' });
  for (let index = 2; index < entries; index += 1) {
    const mtime = `${(1_700_000_000 + index).toString(8).padStart(11, '0')}\0`;
    yield forgedHeader({ prefix, name: `${index}`.padStart(rest, 'n'), mtime });
  }
  yield TAR_END;
}

/** A program, and files with attributes that fill a header's records. */
function* attributedLayer(entries: number): Generator<Buffer> {
  const value = 'a'.repeat(128_000);
  yield program;
  for (let index = 1; index < entries; index += 1) {
    yield forgedRecords([['SCHILY.xattr.user.a', value]], 'x', `f${index}`);
    yield forgedHeader({ name: `f${index}` });
  }
  yield TAR_END;
}

const url = (path: string): string => JSON.stringify(new URL(path, import.meta.url).href);
// Reads the layer like the proof, applies it to an empty tree, and prints its own peak memory.
const SOURCE = `
import { createReadStream, readFileSync } from 'node:fs';
import { MAX_CHANGED_LAYER, readLayer } from ${JSON.stringify(createRequire(import.meta.url).resolve('@prebuilt/oci'))};
import { compareMerged } from ${url('./merged-proof.ts')};
const options = { compression: 'gzip', contents: 'changes', limits: MAX_CHANGED_LAYER };
const entries = await Array.fromAsync(readLayer(createReadStream(process.argv[1]), options));
const config = { env: [], workingDir: '/', entrypoint: ['/app'] };
const image = { platform: { os: 'linux', architecture: 'amd64' }, config };
const { proof } = compareMerged(image, { because: [], files: [] }, [entries], undefined);
const names = entries.reduce((sum, { path }) => sum + path.length, 0);
const peak = /^VmHWM:\\s+(\\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'))[1] * 1024;
console.log(JSON.stringify({ entries: entries.length, names, unprovenFiles: proof.unprovenFiles, peak }));
`;
