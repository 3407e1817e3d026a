import { chmod, link, mkdir, mkdtemp, readdir, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { stageContext } from './stage-context.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'stage-'));
});
afterEach(() => rm(folder, { recursive: true }));

const fileOf = (path: string, mode: 0o644 | 0o755) => ({
  path,
  source: join(folder, 'source', path.replaceAll('/', '_')),
  mode,
  size: 1,
  sha256: 'a'.repeat(64),
});

describe('stageContext', () => {
  it.each([0, 1_700_000_000, 4_102_444_800])(
    'gives every file and folder the time %i and its mode',
    async (time) => {
      const files = [fileOf('app', 0o755), fileOf('runtime/lib/x', 0o644)];
      await mkdir(join(folder, 'source'));
      for (const { source } of files) {
        await writeFile(source, 'x');
        await chmod(source, 0o4711);
        await utimes(source, 5, 5);
      }
      const umask = process.umask(0o077);
      try {
        const folders = [
          { path: 'runtime', mode: 0o755 },
          { path: 'empty', mode: 0o1777 },
        ];
        await stageContext({ files, folders }, join(folder, 'context'), time);
      } finally {
        process.umask(umask);
      }
      const staged = await readdir(join(folder, 'context'), { recursive: true });
      expect(staged.sort()).toEqual(['app', 'empty', 'runtime', 'runtime/lib', 'runtime/lib/x']);
      const modes = {
        app: 0o755,
        empty: 0o1777,
        runtime: 0o755,
        'runtime/lib': 0o755,
        'runtime/lib/x': 0o644,
        '.': 0o755,
      };
      for (const [path, mode] of Object.entries(modes)) {
        const found = await stat(join(folder, 'context', path));
        expect([path, found.mode & 0o7777, found.mtimeMs]).toEqual([path, mode, time * 1000]);
      }
    },
  );

  it('leaves the originals unchanged, and creates no links', async () => {
    const file = fileOf('app', 0o644);
    await mkdir(join(folder, 'source'));
    await writeFile(file.source, 'x');
    await link(file.source, join(folder, 'source/other'));
    await utimes(file.source, 5, 5);
    await stageContext({ files: [file], folders: [] }, join(folder, 'context'), 1_700_000_000);
    expect((await stat(file.source)).mtimeMs).toBe(5000);
    const staged = await stat(join(folder, 'context/app'));
    expect(staged.nlink).toBe(1);
    expect(staged.ino).not.toBe((await stat(file.source)).ino);
  });
});
