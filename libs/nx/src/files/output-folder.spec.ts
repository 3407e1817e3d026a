import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { replaceFolder } from './output-folder.ts';

let folder: string;
let target: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'output-folder-'));
  target = join(folder, 'bin');
});
afterEach(() => rm(folder, { recursive: true }));

const OURS = /^(?:old|new|a)$/;
const NOBODY = 65534;
const MODULE = join(import.meta.dirname, 'output-folder.ts');

describe('replaceFolder', () => {
  it('puts the filled folder in place, readable by all, and returns the result', async () => {
    const result = await replaceFolder(target, OURS, async (temporary) => {
      await writeFile(join(temporary, 'a'), 'new');
      return 7;
    });
    expect(result).toBe(7);
    expect(await readdir(folder)).toEqual(['bin']);
    expect((await stat(target)).mode & 0o777).toBe(0o755);
  });

  it('replaces the whole old folder', async () => {
    await mkdir(target);
    await writeFile(join(target, 'old'), '');
    await replaceFolder(target, OURS, (temporary) => writeFile(join(temporary, 'new'), ''));
    expect(await readdir(target)).toEqual(['new']);
    expect(await readdir(folder)).toEqual(['bin']);
  });

  it('removes newly created parent folders when filling fails', async () => {
    const fails = replaceFolder(join(folder, 'new/and/deep/bin'), OURS, async () => {
      throw new Error('no');
    });
    await expect(fails).rejects.toThrow('no');
    expect(await readdir(folder)).toEqual([]);
  });

  it('keeps the old folder and leaves nothing else when filling fails', async () => {
    await mkdir(target);
    await writeFile(join(target, 'old'), '');
    const failing = replaceFolder(target, OURS, async (temporary) => {
      await writeFile(join(temporary, 'new'), '');
      throw new Error('compiler failed');
    });
    await expect(failing).rejects.toThrow('compiler failed');
    expect(await readdir(target)).toEqual(['old']);
    expect(await readdir(folder)).toEqual(['bin']);
  });

  it.each(['SIGINT', 'SIGTERM'] as const)('leaves no trace when %s arrives while filling', async (signal) => {
    await mkdir(target);
    await writeFile(join(target, 'old'), '');
    const child =
      start(`await replaceFolder(${JSON.stringify(target)}, /^(old|new|a)$/, async (temporary, signal) => {
      console.log('filling');
      await new Promise((_, reject) => {
        const timer = setTimeout(() => {}, 60_000);
        signal.addEventListener('abort', () => { clearTimeout(timer); reject(signal.reason); });
      });
    }).catch((error) => { console.error(error.code); process.exitCode = 3; });`);
    await child.firstLine;
    child.process.kill(signal);
    expect(await child.exit).toBe(3);
    expect(await readdir(target)).toEqual(['old']);
    expect(await readdir(folder)).toEqual(['bin']);
  });

  it('removes what a killed process left behind, but nothing from a running one', async () => {
    const child = start(`await replaceFolder(${JSON.stringify(target)}, /^(old|new|a)$/, async () => {
      console.log('filling');
      await new Promise((resolve) => setTimeout(resolve, 60_000));
    });`);
    await child.firstLine;
    const living = await readdir(folder);
    expect(living).toHaveLength(1);
    await replaceFolder(target, OURS, async () => {});
    expect(await readdir(folder)).toEqual([...living, 'bin']);
    child.process.kill('SIGKILL');
    await child.exit;
    await replaceFolder(target, OURS, (temporary) => writeFile(join(temporary, 'a'), ''));
    expect(await readdir(folder)).toEqual(['bin']);
  });

  it('restores the old folder if a process was killed between the two renames', async () => {
    const aside = join(folder, '.bin-999999999-abcdef-former');
    await mkdir(aside);
    await writeFile(join(aside, 'old'), 'kept');
    await expect(replaceFolder(target, OURS, () => Promise.reject(new Error('no')))).rejects.toThrow('no');
    expect(await readFile(join(target, 'old'), 'utf8')).toBe('kept');
  });

  it('refuses a target that is a symbolic link, and does not touch what it leads to', async () => {
    const elsewhere = join(folder, 'elsewhere');
    await mkdir(elsewhere);
    await writeFile(join(elsewhere, 'a'), 'precious');
    await symlink(elsewhere, target);
    await expect(replaceFolder(target, OURS, async () => {})).rejects.toMatchObject({ code: 'OUTPUT' });
    expect(await readFile(join(elsewhere, 'a'), 'utf8')).toBe('precious');
    expect((await readdir(folder)).sort()).toEqual(['bin', 'elsewhere']);
  });

  it('refuses a link that an attacker has planted as the old folder', async () => {
    const elsewhere = join(folder, 'elsewhere');
    await mkdir(elsewhere);
    await writeFile(join(elsewhere, 'a'), 'precious');
    await symlink(elsewhere, join(folder, '.bin-999999999-abcdef-former'));
    await expect(replaceFolder(target, OURS, async () => {})).rejects.toMatchObject({ code: 'OUTPUT' });
    expect(await readFile(join(elsewhere, 'a'), 'utf8')).toBe('precious');
  });

  it('refuses a target that is a file', async () => {
    await writeFile(target, 'precious');
    await expect(replaceFolder(target, OURS, async () => {})).rejects.toMatchObject({ code: 'OUTPUT' });
    expect(await readFile(target, 'utf8')).toBe('precious');
  });

  it('refuses a target with other content, before and after filling', async () => {
    await mkdir(target);
    await writeFile(join(target, 'thesis.txt'), 'precious');
    let filled = false;
    const early = replaceFolder(target, OURS, async () => {
      filled = true;
    });
    await expect(early).rejects.toThrow(/found "thesis\.txt"/);
    expect(filled).toBe(false);
    await rm(join(target, 'thesis.txt'));
    const late = replaceFolder(target, OURS, () => writeFile(join(target, 'thesis.txt'), 'precious'));
    await expect(late).rejects.toMatchObject({ code: 'OUTPUT' });
    expect(await readFile(join(target, 'thesis.txt'), 'utf8')).toBe('precious');
    expect(await readdir(folder)).toEqual(['bin']);
  });

  it('fails with EACCES if the user may not write to the parent', async () => {
    await chmod(folder, 0o555);
    const child = start(
      `await replaceFolder(${JSON.stringify(target)}, /^(old|new|a)$/, async () => {}).catch((error) => console.log(error.code));`,
      process.getuid?.() === 0 ? NOBODY : undefined,
    );
    try {
      expect(await child.firstLine).toBe('EACCES');
    } finally {
      await chmod(folder, 0o755);
    }
    expect(existsSync(target)).toBe(false);
  });
});

// Loads the module before switching to another user, who may not have access to this workspace.
function start(body: string, uid?: number) {
  const become = uid === undefined ? '' : `process.setuid(${uid});`;
  const source = `import { replaceFolder } from ${JSON.stringify(MODULE)};\n${become}\n${body}`;
  const child = spawn(process.execPath, ['--input-type=module-typescript', '--eval', source], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exit = new Promise<number | null>((resolve) => child.once('exit', resolve));
  const firstLine = Promise.race([
    new Promise<string>((resolve) => child.stdout.once('data', (data) => resolve(String(data).trim()))),
    exit.then(() => Promise.reject(new Error('exited before it printed a line'))),
    sleep(30_000, undefined, { ref: false }).then(() => Promise.reject(new Error('no line within 30 s'))),
  ]);
  return { process: child, exit, firstLine };
}
