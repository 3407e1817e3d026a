import { lstat, mkdtemp, readdir, readFile, readlink, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  compareBytes,
  createImageLayout,
  digestOf,
  formatImageConfig,
  MEDIA_TYPES,
  OciError,
  REF_NAME,
  readLayer,
  writeBlob,
  writeImageIndex,
  writeImageManifest,
  writeIndexFile,
} from '@prebuilt/oci';
import { requireUnpackers, umociUnpack } from '@prebuilt/testing/unpackers';
import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { baseEntry, FileTree } from '../src/image/file-tree.ts';
import type { StoredLayer } from '../testing/forged-image.ts';
import {
  type ChangedFile,
  changedLayer,
  HONEST_CHANGES,
  reducedForgeries,
} from '../testing/reduced-forgeries.ts';

beforeEach(({ skip }) => requireUnpackers(skip));

/** Everything but folders in stacked layers, according to the proof. */
async function merged(layers: readonly StoredLayer[]): Promise<readonly string[]> {
  const tree = new FileTree();
  for (const { bytes, diffId } of layers) {
    const entries = await Array.fromAsync(
      readLayer([bytes], { compression: 'gzip', contents: 'changes', diffId }),
    );
    tree.applyLayer(entries.map(baseEntry));
  }
  return [...tree.leavesSince(new FileTree())].map((path) => {
    const node = tree.find(path);
    if (node?.kind === 'symlink') return `${path} -> ${node.target}`;
    if (node?.kind !== 'file') throw new Error(`${path}: ${node?.kind}`);
    return `${path} ${node.sha256 ?? 'special'} ${node.mode.toString(8)} ${node.uid}`;
  });
}

/** The same, as unpacked by umoci. */
async function unpacked(layers: readonly StoredLayer[]): Promise<readonly string[]> {
  const folder = await mkdtemp(join(tmpdir(), 'merged-'));
  try {
    const layout = join(folder, 'image');
    const blobs = await createImageLayout(layout);
    const platform = { architecture: 'amd64', os: 'linux' };
    const written = [];
    for (const { bytes, mediaType } of layers) written.push(await writeBlob(blobs, bytes, mediaType));
    const config = formatImageConfig({
      ...platform,
      config: { env: [], workingDir: '/', entrypoint: ['/app'] },
      created: 1_700_000_000,
      history: layers.map(() => ({ createdBy: 'RUN', emptyLayer: false })),
      diffIds: layers.map(({ diffId }) => diffId),
    });
    const manifest = await writeImageManifest(
      blobs,
      await writeBlob(blobs, config, MEDIA_TYPES.config),
      written,
    );
    const index = await writeImageIndex(blobs, [{ ...manifest, platform }]);
    await writeIndexFile(layout, index, { [REF_NAME]: 'x' });
    expect(await umociUnpack(layout, 'x', join(folder, 'bundle'))).toBe(true);
    const root = join(folder, 'bundle/rootfs');
    const found = await readdir(root, { recursive: true, withFileTypes: true });
    const paths = found
      .filter((entry) => !entry.isDirectory())
      .map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1));
    return await Promise.all(
      paths.map(async (path) => {
        const absolute = join(root, path);
        const { mode, uid, ...kind } = await lstat(absolute).then((stat) => ({
          mode: stat.mode,
          uid: stat.uid,
          file: stat.isFile(),
          link: stat.isSymbolicLink(),
        }));
        if (kind.link) return `${path} -> ${await readlink(absolute)}`;
        const content = kind.file ? digestOf(await readFile(absolute)).slice('sha256:'.length) : 'special';
        return `${path} ${content} ${(mode & 0o7777).toString(8)} ${uid}`;
      }),
    );
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const byPath = (lines: readonly string[]): readonly string[] => [...lines].sort(compareBytes);

const PATHS = ['a', 'b', 'a/c', 'a/d', 'b/c', 'a/c/e', 'a/c/f'];
const aChange = fc.oneof(
  fc.record({ path: fc.constantFrom(...PATHS), content: fc.constantFrom('1', '2') }),
  fc.record({
    path: fc.constantFrom(...PATHS),
    flag: fc.constant('2' as const),
    target: fc.constantFrom('b', '/a', 'c', '../b/c'),
  }),
  fc.record({ path: fc.constantFrom('a/', 'b/', 'a/c/') }),
  fc.record({ path: fc.constantFrom('.wh.a', '.wh.b', 'a/.wh.c', 'a/.wh.d', 'b/.wh.c', 'a/c/.wh.e') }),
  fc.record({ path: fc.constantFrom('a/.wh..wh..opq', 'b/.wh..wh..opq', 'a/c/.wh..wh..opq') }),
  fc.record({
    path: fc.constantFrom('z', 'b/z', 'a/z'),
    flag: fc.constant('1' as const),
    target: fc.constantFrom('a', 'b', 'a/c', 'a/d'),
  }),
);

/** A layer with the changes: each path once, after its parent folders, in walk order. */
function layerOf(changes: readonly ChangedFile[]): StoredLayer {
  const entries = new Map<string, ChangedFile>();
  for (const change of changes) {
    const name = change.path.replace(/\/$/, '');
    for (let at = name.lastIndexOf('/'); at > 0; at = name.lastIndexOf('/', at - 1)) {
      const folder = name.slice(0, at);
      entries.set(folder, { path: `${folder}/` });
    }
    if (!(entries.get(name)?.path.endsWith('/') ?? false)) entries.set(name, change);
  }
  for (const [path, { flag, target = '' }] of entries) {
    const [folder, name] = [path.slice(0, path.lastIndexOf('/') + 1), path.slice(path.lastIndexOf('/') + 1)];
    // Skip combinations that no builder writes and that are refused.
    if (name.startsWith('.wh.') && entries.has(folder + name.slice('.wh.'.length))) entries.delete(path);
    const linked = entries.get(target);
    if (flag === '1' && (linked === undefined || linked.path.endsWith('/'))) entries.delete(path);
  }
  const walked = [...entries].sort(([a], [b]) =>
    compareBytes(a.replaceAll('/', '\0'), b.replaceAll('/', '\0')),
  );
  return changedLayer(
    walked.map(([path, entry]) => {
      if (path.includes('.wh.')) return { ...entry, mode: '0' };
      if (entry.flag !== '1') return entry;
      return { ...entry, mode: entries.get(entry.target ?? '')?.flag === '2' ? '777' : '755' };
    }),
  );
}

describe('the proof reads stacked layers like umoci', () => {
  it('the proof reads stacked layers like umoci, whatever they add, replace and remove', {
    timeout: 120_000,
  }, async () => {
    let compared = 0;
    const layers = fc.array(fc.array(aChange, { minLength: 1, maxLength: 6 }), {
      minLength: 2,
      maxLength: 4,
    });
    await fc.assert(
      fc.asyncProperty(layers, async (changes) => {
        const stored = changes.map(layerOf);
        const own = await merged(stored).catch((error: unknown) => error);
        if (own instanceof OciError) return;
        if (!Array.isArray(own)) throw own;
        compared += 1;
        expect(byPath(own)).toEqual(byPath(await unpacked(stored)));
      }),
      { numRuns: 60 },
    );
    expect(compared).toBeGreaterThan(20);
  });

  it('the proof reads stacked layers like umoci for typical commands and every forgery in a valid form', {
    timeout: 120_000,
  }, async () => {
    const program = Buffer.from('the program\n');
    const below = [
      changedLayer([{ path: 'lib/' }, { path: 'lib/libc.so.6', content: 'libc' }]),
      changedLayer([{ path: 'app', content: program }]),
    ];
    const honest = changedLayer(HONEST_CHANGES);
    const forged = reducedForgeries(program, 'libc').map(({ layers }) => layers?.(below) ?? below);
    let compared = 0;
    for (const stored of [[...below, honest], ...forged]) {
      const own = await merged(stored).catch((error: unknown) => error);
      if (own instanceof OciError) continue;
      if (!Array.isArray(own)) throw own;
      compared += 1;
      expect(byPath(own)).toEqual(byPath(await unpacked(stored)));
    }
    expect(compared).toBeGreaterThan(20);
  });
});
