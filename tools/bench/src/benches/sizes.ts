import { readdir, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { execa } from 'execa';
import type { Bench } from '../bench.ts';
import { requireExecutable } from '../process.ts';
import { buildSidecar, nativePlatform } from './binaries.ts';

/** The files of one image: its executable, and the folder with its runtime dependencies, if any. */
interface Files {
  readonly executable: string;
  readonly runtime?: string;
}

interface Size {
  readonly name: string;
  readonly title: string;
  readonly ours: string;
  /** What is measured on the peer; its name is appended. */
  readonly theirs: string;
  measure(files: Files): Promise<number>;
}

const SIZES: readonly Size[] = [
  {
    name: 'peer-executable',
    title: 'Peer: executable',
    ours: 'the executable for this machine’s platform',
    theirs: 'the same for',
    measure: async ({ executable }) => (await stat(executable)).size,
  },
  {
    name: 'peer-image-gzip',
    title: 'Peer: image to pull',
    ours: 'the executable, its loader and its libraries as one layer, gzip at level 3',
    theirs: 'the same for the executable alone, the minimum that its image can contain, of',
    measure: layerBytes,
  },
  {
    name: 'peer-image',
    title: 'Peer: image, unpacked',
    ours: 'the executable, its loader and its libraries on disk',
    theirs: 'the executable alone, the minimum that its image can contain, of',
    measure: async ({ executable, runtime }) =>
      (await stat(executable)).size + (runtime === undefined ? 0 : await folderBytes(runtime)),
  },
];

/** Sizes of the sidecar's executable and image against those of the program at `peer`, for this machine's platform. */
export function peerSizes(peer: string): readonly Bench[] {
  return SIZES.map(({ name, title, ours, theirs, measure }) => ({
    name,
    title,
    unit: 'bytes',
    ours,
    theirs: `${theirs} ${basename(peer)}`,
    target: { kind: 'report' },
    warmUp: false,
    async prepare(context) {
      await requireExecutable(peer);
      const { file, runtime } = nativePlatform(await buildSidecar(context));
      const side = (files: Files) => ({ run: async () => ({ value: await measure(files) }) });
      return { ours: side({ executable: file, runtime }), theirs: side({ executable: peer }) };
    },
  }));
}

/** The names of the size benchmarks, in the order of the README's table. */
export const SIZE_NAMES = SIZES.map(({ name }) => name);

async function folderBytes(folder: string): Promise<number> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  const sizes = await Promise.all(
    files.map(async (file) => (await stat(join(file.parentPath, file.name))).size),
  );
  return sizes.reduce((sum, size) => sum + size, 0);
}

async function layerBytes({ executable, runtime }: Files): Promise<number> {
  const rest = runtime === undefined ? [] : [runtime];
  const tar = execa('tar', ['--create', '--absolute-names', executable, ...rest], { buffer: false });
  let bytes = 0;
  await pipeline(tar.stdout, createGzip({ level: 3 }), async (chunks: AsyncIterable<Buffer>) => {
    for await (const chunk of chunks) bytes += chunk.length;
  });
  await tar;
  return bytes;
}
