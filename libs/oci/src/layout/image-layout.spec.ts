import { mkdtemp, readdir, readFile, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  BLOBS_FOLDER,
  createImageLayout,
  type Descriptor,
  digestHex,
  formatImageConfig,
  MEDIA_TYPES,
  REF_NAME,
  readBlob,
  readDocument,
  readImageLayout,
  writeBlob,
  writeImageIndex,
  writeImageManifest,
  writeIndexFile,
  writeLayer,
} from '../index.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'layout-'));
});
afterEach(() => rm(folder, { recursive: true }));

const platform = { architecture: 'arm', os: 'linux', variant: 'v7' };

async function writeSample(
  architecture = 'arm',
): Promise<{ index: Descriptor; layer: Descriptor; config: Descriptor }> {
  const blobs = await createImageLayout(folder);
  const layer = await writeLayer(blobs, [], { compression: 'gzip' });
  const text = formatImageConfig({
    ...platform,
    architecture,
    config: { env: ['PATH=/bin'], workingDir: '/' },
    created: 0,
    history: [{ createdBy: 'COPY a b', emptyLayer: false }],
    diffIds: [layer.diffId],
  });
  const config = await writeBlob(blobs, text, MEDIA_TYPES.config);
  const manifest = await writeImageManifest(blobs, config, [layer.descriptor]);
  const index = await writeImageIndex(blobs, [{ ...manifest, platform }]);
  await writeIndexFile(folder, index, { [REF_NAME]: '1.2.3' });
  return { index, layer: layer.descriptor, config };
}

const blob = (descriptor: Descriptor): string => join(folder, BLOBS_FOLDER, digestHex(descriptor.digest));

describe('an image layout', () => {
  it('an image layout is read back as it was written', async () => {
    const { index } = await writeSample();
    const layout = await readImageLayout(folder);
    expect(layout.root).toEqual({ ...index, annotations: { [REF_NAME]: '1.2.3' } });
    expect(layout.images.map((image) => image.platform)).toEqual([platform]);
    expect(layout.images[0]?.config.rootfs.diff_ids).toHaveLength(1);
  });

  it('an image layout contains its documents and blobs, and no other file', async () => {
    await writeSample();
    expect((await readdir(folder)).sort()).toEqual(['blobs', 'index.json', 'oci-layout']);
    expect(await readdir(join(folder, BLOBS_FOLDER))).toHaveLength(4);
    expect(await readFile(join(folder, 'oci-layout'), 'utf8')).toBe('{"imageLayoutVersion":"1.0.0"}');
  });
});

describe('readImageLayout', () => {
  it.each([
    ['a folder that is not a layout', async () => {}, 'INVALID_LAYOUT'],
    [
      'another version',
      async () => {
        await writeSample();
        await writeFile(join(folder, 'oci-layout'), '{"imageLayoutVersion":"2.0.0"}');
      },
      'INVALID_LAYOUT',
    ],
    [
      'two images',
      async () => {
        const { index } = await writeSample();
        const text = JSON.stringify({ schemaVersion: 2, manifests: [index, index] });
        await writeFile(join(folder, 'index.json'), text);
      },
      'INVALID_LAYOUT',
    ],
    ['a missing blob', async () => rm(blob((await writeSample()).layer)), 'INVALID_LAYOUT'],
    ['a truncated layer', async () => truncate(blob((await writeSample()).layer), 3), 'SIZE_MISMATCH'],
    [
      'a configuration with one byte changed',
      async () => {
        const path = blob((await writeSample()).config);
        const bytes = await readFile(path);
        bytes[30] = (bytes[30] ?? 0) ^ 1;
        await writeFile(path, bytes);
      },
      'DIGEST_MISMATCH',
    ],
    [
      'a link in place of a blob',
      async () => {
        const path = blob((await writeSample()).config);
        await writeFile(join(folder, 'elsewhere'), await readFile(path));
        await rm(path);
        await symlink(join(folder, 'elsewhere'), path);
      },
      'INVALID_LAYOUT',
    ],
    ['an image for another platform than its descriptor says', () => writeSample('arm64'), 'INVALID_LAYOUT'],
  ])('refuses %s', async (_, arrange, code) => {
    await arrange();
    const changed = { hint: expect.stringContaining('make the image again') };
    await expect(readImageLayout(folder)).rejects.toMatchObject({
      name: 'OciError',
      code,
      ...(code.endsWith('_MISMATCH') && changed),
    });
  });
});

describe('readBlob', () => {
  it('readBlob returns the bytes and checks their digest', async () => {
    const { layer, config } = await writeSample();
    const bytes = Buffer.concat(await Array.fromAsync(readBlob(folder, layer)));
    expect(bytes).toEqual(await readFile(blob(layer)));
    await writeFile(blob(config), (await readDocument(folder, config)).fill('x'));
    await expect(Array.fromAsync(readBlob(folder, config))).rejects.toMatchObject({
      code: 'DIGEST_MISMATCH',
    });
  });
});
