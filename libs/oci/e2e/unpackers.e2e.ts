import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ForgedLayer, LAYER_FORGERIES } from '@prebuilt/testing/layers';
import { describeUnpacked, requireUnpackers, skopeoCopy, umociUnpack } from '@prebuilt/testing/unpackers';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  createImageLayout,
  digestHex,
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

const PLANNED = { path: 'app', content: Buffer.from('the program\n') };
const TAG = '1.2.3';

let folder: string;
beforeEach(async ({ skip }) => {
  await requireUnpackers(skip);
  folder = await mkdtemp(join(tmpdir(), 'unpackers-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** An image with one layer. */
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

/** What umoci unpacks from an image: one line per path, or undefined if it refuses the image. */
async function unpacked(layout: string): Promise<readonly string[] | undefined> {
  const bundle = join(folder, 'bundle');
  if (!(await umociUnpack(layout, TAG, bundle))) return undefined;
  const root = join(bundle, 'rootfs');
  const paths = await readdir(root, { recursive: true });
  return describeUnpacked(root, paths.sort());
}

const AS_PLANNED = [
  ['app', '100755', '0:0', 1, 1_700_000_000_000, digestHex(digestOf(PLANNED.content)), 'no capability'].join(
    ' ',
  ),
];

describe('umoci', () => {
  it.each(LAYER_FORGERIES.filter(({ unpacked }) => unpacked === 'otherwise'))(
    'umoci unpacks something other than planned from a layer with $title, and skopeo copies it',
    async ({ forge }) => {
      const layout = await layoutOf(forge(PLANNED));
      const found = await unpacked(layout);
      expect(found).toBeDefined();
      expect(found).not.toEqual(AS_PLANNED);
      await skopeoCopy(layout, TAG, join(folder, 'copy'));
    },
  );

  // Other readers take them differently, or may: that two readers need not agree is reason enough to refuse them.
  it.each(LAYER_FORGERIES.filter(({ unpacked }) => unpacked !== 'otherwise'))(
    'umoci unpacks what was planned, or nothing, from a layer with $title',
    async ({ forge }) => {
      const found = await unpacked(await layoutOf(forge(PLANNED)));
      expect([undefined, AS_PLANNED]).toContainEqual(found);
    },
  );
});
