import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type BundleSettings, type Bundling, bundle } from './bundle.ts';

const LICENSE = 'Permission is hereby granted to everybody.';
const FILES: Readonly<Record<string, string>> = {
  'src/one.ts': `
    import { shared } from './deep/shared.ts';
    import { Apart } from './apart.ts';
    export const one: string = shared + new Apart().name;
    export const rare = () => import('./deep/rare.ts');
    export const tool = () => import('tool');`,
  'src/two.ts': `export { shared } from './deep/shared.ts';\nexport { peer } from 'peer';`,
  'src/apart.ts': `export class Apart { readonly name = 'apart'; }`,
  'src/deep/shared.ts': `import { used } from 'used';\nexport const shared: string = used;`,
  'src/deep/rare.ts': `export const rare = 'rare';`,
  'node_modules/used/package.json': '{ "name": "used", "version": "1.2.3", "main": "main.js" }',
  'node_modules/used/main.js': `exports.used = 'used';`,
  'node_modules/used/LICENCE.md': LICENSE,
};
const BUNDLING: Bundling = { entries: ['src/one.ts', 'src/two.ts'], apart: ['src/apart.ts'] };
const SETTINGS: BundleSettings = { outside: ['peer'], target: 'es2024' };

let folder: string;
const write = async (files: Readonly<Record<string, string>>): Promise<void> => {
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), content);
  }
};
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bundle-'));
  await write(FILES);
});
afterEach(() => rm(folder, { recursive: true }));

describe('a bundle', () => {
  it('a bundle has a file for each entry, and one for what several entries import', async () => {
    const { chunks } = await bundle(folder, BUNDLING, SETTINGS);
    expect(chunks.map(({ path }) => path).sort()).toEqual([
      expect.stringMatching(/^src\/bundled-[\w-]+\.ts$/),
      'src/one.ts',
      'src/two.ts',
    ]);
    const [shared] = chunks.filter(({ path }) => path.includes('bundled'));
    expect(shared?.code).toContain('used');
  });

  it('a bundle leaves out separate files, dynamic imports and the given packages', async () => {
    const { chunks } = await bundle(folder, BUNDLING, SETTINGS);
    const code = chunks.map((chunk) => chunk.code).join('');
    expect(code).not.toContain('class Apart');
    expect(code).toMatch(/from "\.\/apart\.ts"/);
    expect(code).toMatch(/import\("\.\/deep\/rare\.ts"\)/);
    expect(code).toMatch(/import\("tool"\)/);
    expect(code).toMatch(/from "peer"/);
  });

  it('a bundle has source maps with paths from the package’s folder, without the content of the sources', async () => {
    const { chunks } = await bundle(folder, BUNDLING, SETTINGS);
    const sources = chunks.flatMap(({ map }) => map.sources);
    expect(sources).toContain('src/one.ts');
    expect(sources).toContain('src/deep/shared.ts');
    expect(sources).toContain('node_modules/used/main.js');
    for (const { path, map, code } of chunks) {
      expect(map).not.toHaveProperty('sourcesContent');
      expect(code.trimEnd().split('\n').at(-1)).toBe(
        `//# sourceMappingURL=${path.slice('src/'.length).replace('.ts', '.js')}.map`,
      );
    }
  });

  it('a bundle is written in the requested version of JavaScript', async () => {
    await write({ 'src/two.ts': 'export function two(one: Disposable) { using _ = one; }' });
    const { chunks } = await bundle(folder, BUNDLING, SETTINGS);
    expect(chunks.map(({ code }) => code).join('')).not.toMatch(/\busing _ =/);
  });

  it('a bundle passes on the licenses of the packages in it', async () => {
    const { licenses } = await bundle(folder, BUNDLING, SETTINGS);
    expect(licenses).toBe(`used 1.2.3\n\n${LICENSE}\n`);
  });
});

describe('bundling', () => {
  it('bundling refuses a package without a license', async () => {
    await rm(join(folder, 'node_modules/used/LICENCE.md'));
    await expect(bundle(folder, BUNDLING, SETTINGS)).rejects.toMatchObject({
      code: 'BUNDLE',
      message: expect.stringContaining('used: expected a license'),
    });
  });

  it('bundling refuses an entry that would move to another folder', async () => {
    await expect(
      bundle(folder, { ...BUNDLING, entries: ['src/deep/rare.ts'] }, SETTINGS),
    ).rejects.toMatchObject({
      code: 'BUNDLE',
      message: 'src/deep/rare.ts: expected a file directly in src',
    });
  });

  it('bundling refuses a file that would move but finds others by its own path', async () => {
    await write({ 'src/deep/shared.ts': 'export const shared: string = import.meta.url;' });
    await expect(bundle(folder, BUNDLING, SETTINGS)).rejects.toMatchObject({
      code: 'BUNDLE',
      message: expect.stringContaining('deep/shared.ts: import.meta'),
    });
  });

  it('bundling refuses an import that does not resolve', async () => {
    await expect(bundle(folder, BUNDLING, { ...SETTINGS, outside: [] })).rejects.toMatchObject({
      code: 'BUNDLE',
      message: expect.stringContaining('peer'),
    });
  });
});
