import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { withLock } from './lock.ts';
import { identifyProcess } from './processes.ts';

describe('withLock', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'engine-lock-'));
  });
  afterEach(() => rm(folder, { recursive: true }));

  it('withLock runs one piece of work at a time and leaves nothing behind, even after a failure', async () => {
    const path = join(folder, 'lock');
    const work = withLock(path, async () => {
      await expect(withLock(path, async () => 'second')).rejects.toMatchObject({ code: 'BUSY' });
      throw new Error('failed');
    });
    await expect(work).rejects.toThrow('failed');
    expect(await readdir(folder)).toEqual([]);
  });

  it('withLock takes over from a process that has exited', async () => {
    const path = join(folder, 'lock');
    const self = await identifyProcess(process.pid);
    await writeFile(path, JSON.stringify({ ...self, startTime: '1' }));
    expect(await withLock(path, async () => 'done')).toBe('done');
  });

  it('withLock does not take over from an unknown holder', async () => {
    const path = join(folder, 'lock');
    await writeFile(path, 'who knows');
    await expect(withLock(path, async () => 'done')).rejects.toMatchObject({
      code: 'BUSY',
      hint: expect.stringContaining(path),
    });
  });
});
