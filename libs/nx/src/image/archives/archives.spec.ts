import { readFile, writeFile } from 'node:fs/promises';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { BLOBS_FOLDER, digestHex, readImageLayout, readLayer } from '@prebuilt/oci';
import { entryBomb, forgedEntry, forgedRecords, TAR_END } from '@prebuilt/testing/layers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { release } from '../../../testing/release.ts';
import { type ReleaseWorkspace, releaseWorkspace, writeReports } from '../../../testing/release-workspace.ts';
import { formatManifest, type Manifest } from '../../artifacts/manifest.ts';
import { inspectListed } from '../../executors/verify/inspect-files.ts';
import { checkCompleteness } from '../completeness.ts';
import { expectedImage } from '../release-images.ts';

const tar = (...parts: readonly Buffer[]): Buffer => Buffer.concat([...parts, TAR_END]);
const folder = (name: string) => forgedEntry({ name, flag: '5' });
const PASSWD = 'app:x:10:20::/:\n';
const ROOT = tar(
  folder('./'),
  folder('./bin/'),
  forgedEntry({ name: './bin/tool', mode: '0000700\0', uid: '0000005\0', mtime: '00000000100\0' }, 'tool'),
  forgedEntry({
    name: './bin/again',
    flag: '1',
    target: './bin/tool',
    mode: '0000700\0',
    uid: '0000005\0',
    mtime: '00000000100\0',
  }),
  forgedEntry({ name: './bin/link', flag: '2', target: 'tool' }),
  forgedEntry({ name: './etc/passwd', mtime: '77777777777\0' }, PASSWD),
);
const FILES = {
  'root.tar.gz': { content: gzipSync(ROOT) },
  'more.tar.zst': {
    content: zstdCompressSync(tar(forgedEntry({ name: 'same' }, 'tool'), forgedEntry({ name: 'empty' }))),
  },
  'hostile.tar': { content: tar(forgedEntry({ name: '../evil' })) },
  'bomb.tar.zst': { content: entryBomb(10_001).blob },
  'xattr.tar': { content: tar(forgedRecords([['SCHILY.xattr.user.x', '1']]), forgedEntry({ name: 'a' })) },
  'root.tar.xz': { content: Buffer.from('fd377a585a000004', 'hex') },
  'devices.tar': { content: tar(forgedEntry({ name: 'null\x7f', flag: '3' })) },
  'text.gz': { content: gzipSync('text') },
  'plain.txt': { content: 'text' },
};

let workspace: ReleaseWorkspace;
beforeAll(async () => {
  workspace = await releaseWorkspace({
    dockerfile: 'FROM scratch\n',
    platforms: ['linux/amd64'],
    runtime: {},
    listed: { entries: Object.keys(FILES).map((path) => ({ path })), workspace: FILES },
  });
});
afterAll(() => workspace.remove());

const EXEC = ['ARG TARGETARCH', 'COPY app-linux-$TARGETARCH /app', 'ENTRYPOINT ["/app"]'];
const dockerfile = (...lines: readonly string[]): Buffer =>
  Buffer.from(`${['FROM scratch', ...EXEC, ...lines].join('\n')}\n`);
const built = (...lines: readonly string[]) => release(workspace, {}, { dockerfile: dockerfile(...lines) });
const listedFiles = (manifest: Manifest) => (manifest.files ?? []).flatMap(({ files }) => files);

/** The entries of the last layer of an image in a layout: `mode owner time size type path`. */
async function lastLayer(outputPath: string): Promise<readonly string[]> {
  const [image] = (await readImageLayout(outputPath)).images;
  const layer = image?.manifest.layers.at(-1);
  if (layer === undefined) throw new Error('no layer');
  const bytes = await readFile(`${outputPath}/${BLOBS_FOLDER}/${digestHex(layer.digest)}`);
  const entries = await Array.fromAsync(readLayer([bytes], { compression: 'gzip' }));
  return entries.map(
    ({ type, path, mode, uid, gid, mtime, size, target }) =>
      `${mode.toString(8)} ${uid}:${gid} ${mtime} ${size} ${type} ${path}${target === undefined ? '' : ` -> ${target}`}`,
  );
}

describe('the manifest', () => {
  it('the manifest lists the content of each archive, and nothing for other files', () => {
    const described = listedFiles(workspace.manifest).map(({ path, archive }) => {
      if (archive === undefined) return [path, 'no archive'];
      return [
        path,
        archive.kind === 'entries' ? archive.entries.map((entry) => entry.path) : archive.because,
      ];
    });
    expect(Object.fromEntries(described)).toEqual({
      'root.tar.gz': ['bin', 'bin/tool', 'bin/again', 'bin/link', 'etc/passwd'],
      'more.tar.zst': ['same', 'empty'],
      'hostile.tar': '"../evil": leaves the folder that the archive is unpacked into',
      'bomb.tar.zst': expect.stringMatching(/^expected at most \d+ entries, found more$/),
      'xattr.tar': expect.stringMatching(/^PAX record "SCHILY\.xattr\.user\.x"/),
      'root.tar.xz': 'compressed with xz',
      'devices.tar': 'with a device or FIFO ("null ")',
      'text.gz': 'no archive',
      'plain.txt': 'no archive',
    });
  });

  it('verify compares the manifest with the archives', async () => {
    const groups = workspace.manifest.files ?? [];
    expect(await inspectListed(groups, workspace.path('dist/bin'))).toEqual([]);
    const forged = structuredClone(groups);
    const [root] = forged[0]?.files ?? [];
    if (root?.archive?.kind !== 'entries') throw new Error('no archive');
    Object.assign(root.archive.entries[0] ?? {}, { mode: '4755' });
    expect(await inspectListed(forged, workspace.path('dist/bin'))).toMatchObject([
      {
        code: 'OTHER_THAN_MANIFEST',
        message: expect.stringMatching(/^files\/root\.tar\.gz: its contents, as an archive, differ/),
      },
    ]);
  });
});

describe('an image with added archives', () => {
  it('an image with added archives has their files with their own modes and owners, and no time after the source date', async () => {
    const { plan } = await built('ADD files/root.tar.gz files/more.tar.zst /opt/');
    expect(plan.platforms.flatMap(({ image }) => image.unplanned)).toEqual([]);
    expect(await lastLayer(plan.outputPath)).toEqual([
      '755 0:0 1700000000 0 directory opt',
      '755 0:0 1700000000 0 directory opt/bin',
      '700 5:0 64 4 file opt/bin/again',
      '777 0:0 1700000000 0 symlink opt/bin/link -> tool',
      '700 5:0 64 0 link opt/bin/tool -> opt/bin/again',
      '755 0:0 1700000000 0 file opt/empty',
      '755 0:0 1700000000 0 directory opt/etc',
      '755 0:0 1700000000 16 file opt/etc/passwd',
      '755 0:0 1700000000 4 file opt/same',
    ]);
  });

  it('an image with added archives has the users listed in them', async () => {
    const { plan } = await built(
      'ADD files/root.tar.gz /',
      'COPY --chown=app files/plain.txt /x',
      'USER app',
    );
    expect(await lastLayer(plan.outputPath)).toEqual(['644 10:20 1700000000 4 file x']);
  });

  it('an image with added archives may start a program through a link in them', async () => {
    const start = (...lines: readonly string[]) =>
      release(
        workspace,
        {},
        { dockerfile: Buffer.from(`${['FROM scratch', ...EXEC.slice(0, 2), ...lines].join('\n')}\n`) },
      );
    const check = async (...lines: readonly string[]) => {
      const { plan } = await start('ADD files/root.tar.gz /opt', ...lines);
      const [image] = plan.platforms;
      const [artifact] = workspace.manifest.platforms;
      if (image === undefined || artifact === undefined) throw new Error('nothing planned');
      checkCompleteness(artifact, expectedImage(image, plan.sourceDateEpoch), image.image.lists);
    };
    await check('ENTRYPOINT ["/opt/bin/link"]');
    await check('ENTRYPOINT ["/opt/bin/again"]');
    await expect(check('ENTRYPOINT ["/opt/bin/none"]')).rejects.toMatchObject({ code: 'IMAGE_INCOMPLETE' });
  });

  it('an image with added archives has other files, and archives from COPY, unchanged', async () => {
    const { plan } = await built('ADD files/text.gz files/plain.txt /', 'COPY files/*.tar* /x/');
    expect((await lastLayer(plan.outputPath)).map((line) => line.split(' ').at(-1))).toEqual([
      'x',
      ...[
        'bomb.tar.zst',
        'devices.tar',
        'hostile.tar',
        'more.tar.zst',
        'root.tar.gz',
        'root.tar.xz',
        'xattr.tar',
      ].map((name) => `x/${name}`),
    ]);
  });

  it.each([
    ['hostile.tar', /can't be unpacked: "\.\.\/evil": leaves the folder/],
    ['bomb.tar.zst', /can't be unpacked: expected at most \d+ entries/],
    ['xattr.tar', /can't be unpacked: PAX record "SCHILY\.xattr/],
  ])('an image with the added archive %s is refused before anything is written', async (name, message) => {
    const added = built(`ADD files/${name} /`);
    await expect(added).rejects.toMatchObject({
      code: 'DOCKERFILE_COPY',
      message: expect.stringMatching(message),
    });
  });

  it.each([
    ['root.tar.xz', 'ADD of an archive compressed with xz'],
    ['devices.tar', 'ADD of an archive with a device or FIFO ("null ")'],
  ])('an image with the added archive %s is left to buildx', async (name, keyword) => {
    await expect(built(`ADD files/${name} /`)).rejects.toThrow(keyword);
    const full = release(
      workspace,
      { requireFullProof: true },
      { dockerfile: dockerfile(`ADD files/${name} /`) },
    );
    await expect(full).rejects.toMatchObject({ code: 'PROOF_REDUCED' });
  });

  it.each<[string, RegExp, (files: ReturnType<typeof listedFiles>) => void]>([
    [
      'something else',
      /root\.tar\.gz: expected the archive described in the manifest/,
      ([root]) => {
        if (root?.archive?.kind !== 'entries') throw new Error('no archive');
        for (const entry of root.archive.entries) entry.uid = 0;
      },
    ],
    [
      'nothing',
      /root\.tar\.gz: expected the manifest to describe this archive/,
      ([root]) => {
        if (root !== undefined) root.archive = undefined;
      },
    ],
  ])(
    'an image with added archives is refused if the manifest says %s about an archive',
    async (_, message, forge) => {
      const path = workspace.path('dist/bin/manifest.json');
      const before = await readFile(path, 'utf8');
      const forged = structuredClone(workspace.manifest) as Manifest;
      forge(listedFiles(forged));
      await writeFile(path, formatManifest(forged));
      await writeReports(workspace.root, forged);
      const added = built('ADD files/root.tar.gz /');
      await expect(added).rejects.toMatchObject({
        code: 'ARTIFACT_CHANGED',
        message: expect.stringMatching(message),
      });
      await writeFile(path, before);
      await writeReports(workspace.root, workspace.manifest);
    },
  );
});
