import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  identifyProcess,
  isRunning,
  type ProcessIdentity,
  type ProgramCommand,
  parseStartTime,
  startProgram,
  stopProcess,
  waitUntilReady,
} from './processes.ts';

const identified = async (pid: number | undefined): Promise<ProcessIdentity> => {
  const identity = await identifyProcess(pid ?? 0);
  if (identity === undefined) throw new Error(`no process ${pid}`);
  return identity;
};

describe('parseStartTime', () => {
  const numbers = Array.from({ length: 49 }, (_, index) => String(index + 4)).join(' ');

  it.each([
    ['an ordinary name', `7 (node) S ${numbers}`],
    ['a name with parentheses and spaces', `7 (a) S 1 (b) S ${numbers}`],
  ])('parseStartTime returns the 22nd field for %s', (_, stat) => {
    expect(parseStartTime(stat)).toBe('22');
  });

  it('parseStartTime returns undefined for a zombie process', () => {
    expect(parseStartTime(`7 (node) Z ${numbers}`)).toBeUndefined();
  });
});

describe('a process', () => {
  let folder: string;
  const command = (script: string, name = 'program'): ProgramCommand => ({
    name,
    file: process.execPath,
    args: ['-e', script],
    env: process.env,
    log: join(folder, `${name}.log`),
  });
  const started: ProcessIdentity[] = [];

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'engine-processes-'));
  });
  afterEach(async () => {
    for (const identity of started.splice(0)) {
      if (await isRunning(identity)) process.kill(identity.pid, 'SIGKILL');
    }
    await rm(folder, { recursive: true, force: true });
  });

  it('a started program runs on its own, writes to its log, and exits when asked to', async () => {
    const program = command('console.log("ready"); setInterval(() => {}, 1000)');
    const identity = await startProgram(program);
    started.push(identity);
    const answers = async () => (await readFile(program.log, 'utf8')) === 'ready\n';
    await waitUntilReady(program, identity, answers, 30_000);
    expect(await isRunning(identity)).toBe(true);
    expect(await stopProcess('program', identity, 30_000)).toBe(true);
    expect(await isRunning(identity)).toBe(false);
    expect(await stopProcess('program', identity, 30_000)).toBe(false);
  });

  it('stopProcess does not stop another process that has the same id', async () => {
    const other = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)']);
    const identity = await identified(other.pid);
    started.push(identity);
    for (const former of [
      { ...identity, startTime: String(Number(identity.startTime) - 1) },
      { ...identity, bootId: 'another boot' },
    ]) {
      expect(await isRunning(former)).toBe(false);
      expect(await stopProcess('program', former, 1_000)).toBe(false);
    }
    expect(await isRunning(identity)).toBe(true);
    other.kill('SIGKILL');
    await once(other, 'exit');
    expect(await isRunning(identity)).toBe(false);
  });

  it('a program that exits before it is ready is reported with the end of its log', async () => {
    const program = command('console.error("no space left"); process.exit(3)');
    const work = startProgram(program).then((identity) =>
      waitUntilReady(program, identity, async () => false, 30_000),
    );
    await expect(work).rejects.toMatchObject({
      code: 'START_FAILED',
      message: expect.stringContaining('no space left'),
      hint: expect.stringContaining(program.log),
    });
  });

  it('a program that stays silent is reported after the deadline', async () => {
    const program = command('setInterval(() => {}, 1000)');
    const identity = await startProgram(program);
    started.push(identity);
    await expect(waitUntilReady(program, identity, async () => false, 300)).rejects.toMatchObject({
      message: expect.stringContaining('program: not ready after 0.3 s'),
    });
  });

  it('a program that does not exist is reported with its path', async () => {
    await expect(startProgram({ ...command(''), file: join(folder, 'absent') })).rejects.toMatchObject({
      code: 'START_FAILED',
      message: `program: ${join(folder, 'absent')} can't be run`,
    });
  });

  it('a program that ignores SIGTERM is reported and not killed', async () => {
    const program = command(
      'process.on("SIGTERM", () => {}); console.log("on"); setInterval(() => {}, 1000)',
    );
    const identity = await startProgram(program);
    started.push(identity);
    const answers = async () => (await readFile(program.log, 'utf8')) === 'on\n';
    await waitUntilReady(program, identity, answers, 30_000);
    await expect(stopProcess('program', identity, 300)).rejects.toMatchObject({ code: 'STOP_FAILED' });
    expect(await isRunning(identity)).toBe(true);
  });
});
