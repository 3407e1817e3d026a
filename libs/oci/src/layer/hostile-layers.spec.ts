import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { entryBomb, forgedHeader } from '@prebuilt/testing/layers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const run = promisify(execFile);
const MIB = 1024 * 1024;
const READER = join(import.meta.dirname, 'layer-reader.ts');

// Reads one layer within the limits for a plan of one small file, and reports its own peak memory use.
const SOURCE = `
import { createReadStream, readFileSync } from 'node:fs';
import { readLayer } from ${JSON.stringify(READER)};
const [file, compression] = process.argv.slice(1);
const limits = { bytes: 1024 * 1024, entries: 20, names: 2000, depth: 9, milliseconds: 60_000 };
const started = performance.now();
let said = 'nothing';
try {
  for await (const _ of readLayer(createReadStream(file), { compression, limits }));
} catch (error) {
  said = error.name + ' ' + error.code;
}
const milliseconds = performance.now() - started;
const peak = /^VmHWM:\\s+(\\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'))[1] * 1024;
console.log(JSON.stringify({ said, milliseconds, peak }));
`;

// RFC 8878: a frame that asks for a 2 GiB window, with one empty block.
const HUGE_WINDOW = Buffer.from('28b52ffd00a8010000', 'hex');

describe('a hostile layer', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'hostile-'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  it.each([
    ['that is not a tar', 'zstd', () => zstdCompressSync(Buffer.alloc(128 * MIB, 1)), 'INVALID_LAYER'],
    ['with one large file', 'gzip', () => gzipSync(bigFile()), 'LAYER_LIMIT'],
    ['with very many folders', 'zstd', () => entryBomb(40_000).blob, 'LAYER_LIMIT'],
    ['that asks for a 2 GiB window', 'zstd', () => HUGE_WINDOW, 'INVALID_LAYER'],
    ['with 8 GiB of PAX records', 'none', () => bigRecords(), 'INVALID_LAYER'],
    ['with very many empty frames', 'zstd', () => manyFrames(), 'INVALID_LAYER'],
  ] as const)('a layer %s is refused within 5 s and 256 MiB', async (_, compression, make, code) => {
    const file = join(folder, 'layer');
    await writeFile(file, make());
    const { stdout } = await run(process.execPath, [
      '--input-type=module-typescript',
      '--eval',
      SOURCE,
      file,
      compression,
    ]);
    const { said, milliseconds, peak } = JSON.parse(stdout);
    expect(said).toBe(`OciError ${code}`);
    expect(milliseconds).toBeLessThan(5000);
    expect(peak).toBeLessThan(256 * MIB);
  });
});

function bigFile(): Buffer {
  const size = 128 * MIB;
  return Buffer.concat([
    forgedHeader({ name: 'app', size: `${size.toString(8).padStart(11, '0')}\0` }),
    Buffer.alloc(size),
  ]);
}

function bigRecords(): Buffer {
  return Buffer.concat([
    forgedHeader({ name: 'x', flag: 'x', size: '77777777777\0' }),
    Buffer.alloc(10 * MIB, '1'),
  ]);
}

function manyFrames(): Buffer {
  const frame = zstdCompressSync(Buffer.alloc(0));
  return Buffer.concat(Array.from({ length: 100_000 }, () => frame));
}
