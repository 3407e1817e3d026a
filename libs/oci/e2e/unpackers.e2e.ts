import { execFile } from 'node:child_process';
import { lstat, mkdtemp, readdir, readFile, readlink, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { skipOutsideCi } from '@prebuilt/testing/engine';
import { type ForgedLayer, LAYER_FORGERIES } from '@prebuilt/testing/layers';
import { afterEach, beforeEach, describe, expect, it, type TestContext } from 'vitest';
import {
  createImageLayout,
  digestOf,
  formatImageConfig,
  layerMediaType,
  MEDIA_TYPES,
  REF_NAME,
  writeBlob,
  writeImageIndex,
  writeImageManifest,
  writeIndexFile,
} from '../src/index.ts';

const run = promisify(execFile);
const PLANNED = { path: 'app', content: Buffer.from('the program\n') };
const TAG = '1.2.3';

let folder: string;
beforeEach(async ({ skip }) => {
  await requirePrograms(skip, 'umoci', 'skopeo');
  folder = await mkdtemp(join(tmpdir(), 'unpackers-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function requirePrograms(skip: TestContext['skip'], ...programs: readonly string[]): Promise<void> {
  for (const program of programs) {
    const found = await run(program, ['--version']).catch(() => undefined);
    if (found === undefined) skipOutsideCi(`${program} is missing`, skip);
  }
  const getcap = await run('getcap', ['/']).catch(() => undefined);
  if (getcap === undefined) skipOutsideCi('getcap is missing', skip);
  if (process.getuid?.() !== 0) skipOutsideCi('owners and attributes are only unpacked by root', skip);
}

/** An image of one layer. */
async function layoutOf({ blob, tar, compression }: ForgedLayer): Promise<string> {
  const layout = join(folder, 'image');
  const platform = { architecture: 'amd64', os: 'linux' };
  const blobs = await createImageLayout(layout);
  const layer = await writeBlob(blobs, blob, layerMediaType(compression));
  const config = formatImageConfig({
    ...platform,
    config: { env: [], workingDir: '/', entrypoint: ['/app'] },
    created: 1_700_000_000,
    history: [{ createdBy: 'COPY', emptyLayer: false }],
    diffIds: [digestOf(tar)],
  });
  const written = await writeBlob(blobs, config, MEDIA_TYPES.config);
  const manifest = await writeImageManifest(blobs, written, [layer]);
  const index = await writeImageIndex(blobs, [{ ...manifest, platform }]);
  await writeIndexFile(layout, index, { [REF_NAME]: TAG });
  return layout;
}

/** What umoci makes of an image: a line for each path, or undefined where it refuses the image. */
async function unpacked(layout: string): Promise<readonly string[] | undefined> {
  const bundle = join(folder, 'bundle');
  const done = await run('umoci', ['--log=error', 'unpack', '--image', `${layout}:${TAG}`, bundle]).then(
    () => true,
    () => false,
  );
  if (!done) return undefined;
  const root = join(bundle, 'rootfs');
  const paths = await readdir(root, { recursive: true });
  return Promise.all(paths.sort().map((path) => describePath(root, path)));
}

async function describePath(root: string, path: string): Promise<string> {
  const absolute = join(root, path);
  const found = await lstat(absolute);
  const content = found.isFile()
    ? digestOf(await readFile(absolute))
    : found.isSymbolicLink()
      ? await readlink(absolute)
      : 'no file';
  const capabilities = found.isFile() ? (await run('getcap', [absolute])).stdout : '';
  const capability = capabilities.includes('cap_') ? 'capability' : 'no capability';
  const [mode, owner] = [found.mode.toString(8), `${found.uid}:${found.gid}`];
  return [path, mode, owner, found.nlink, found.mtimeMs, content, capability].join(' ');
}

const AS_PLANNED = [
  ['app', '100755', '0:0', 1, 1_700_000_000_000, digestOf(PLANNED.content), 'no capability'].join(' '),
];

describe('umoci', () => {
  it.each(LAYER_FORGERIES.filter(({ unpacked }) => unpacked === 'otherwise'))(
    'unpacks something else than was planned from a layer with $title, and skopeo copies it',
    async ({ forge }) => {
      const layout = await layoutOf(forge(PLANNED));
      const found = await unpacked(layout);
      expect(found).toBeDefined();
      expect(found).not.toEqual(AS_PLANNED);
      await run('skopeo', ['copy', '--quiet', `oci:${layout}:${TAG}`, `oci:${join(folder, 'copy')}:${TAG}`]);
    },
  );

  // Others read them otherwise, or may: that two readers need not agree is enough to refuse them.
  it.each(LAYER_FORGERIES.filter(({ unpacked }) => unpacked !== 'otherwise'))(
    'unpacks what was planned, or nothing, from a layer with $title',
    async ({ forge }) => {
      const found = await unpacked(await layoutOf(forge(PLANNED)));
      expect([undefined, AS_PLANNED]).toContainEqual(found);
    },
  );
});
