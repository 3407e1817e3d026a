import { access, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { sampleManifest } from '../../../testing/sample-manifest.ts';
import type { Finding } from '../../artifacts/verify-report.ts';
import { executeSmoke } from './execute.ts';
import type { VerifyPlan } from './plan.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'execute-spec-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const [artifact] = sampleManifest.platforms;

/** Runs a shell script in place of a program of version 1.2.3. */
async function execute(
  script: string,
  change: Partial<VerifyPlan> = {},
  signal = new AbortController().signal,
): Promise<readonly Finding[]> {
  if (artifact === undefined) throw new Error('no platform in the sample');
  const file = join(folder, 'program');
  await writeFile(file, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  const plan: VerifyPlan = {
    inputPath: folder,
    version: '1.2.3',
    manifestSha256: '0'.repeat(64),
    requireExecution: false,
    timeoutMs: 60_000,
    smoke: [['--version'], ['--help']],
    printsVersion: true,
    toolchain: { name: 'bun', version: '1.4.4' },
    executables: [],
    files: [],
    platforms: [],
    ...change,
  };
  const command = { file, args: ['first'] };
  return executeSmoke(plan, { artifact, executable: file, command }, folder, signal);
}

const VERSION = 'echo "program 1.2.3 (linux)"';

describe('executeSmoke', () => {
  it('the program runs with each list of arguments, after those of the command that runs it', async () => {
    const calls = join(folder, 'calls');
    const smoke = [['--version'], ['check', 'a b'], []];
    expect(await execute(`echo "$#:$*" >>${calls}; ${VERSION}`, { smoke })).toEqual([]);
    expect((await readFile(calls, 'utf8')).trim().split('\n').sort()).toEqual([
      '1:first',
      '2:first --version',
      '3:first check a b',
    ]);
  });

  it('the version is not checked for a program that prints none', async () => {
    expect(await execute('echo hello')).toMatchObject([{ code: 'WRONG_VERSION' }]);
    expect(await execute('echo hello', { printsVersion: false })).toEqual([]);
    expect(await execute('exit 3', { printsVersion: false, smoke: [[]] })).toMatchObject([
      { code: 'EXECUTION_FAILED' },
    ]);
  });

  it('the program sees nothing of the environment', async () => {
    process.env.SECRET_OF_THE_CALLER = 'secret';
    try {
      expect(await execute(`${VERSION}; test -z "$SECRET_OF_THE_CALLER$HOME$LD_LIBRARY_PATH"`)).toEqual([]);
    } finally {
      delete process.env.SECRET_OF_THE_CALLER;
    }
  });

  it.each([
    [
      'exits with another code',
      'echo "no libfoo" >&2; exit 3',
      'EXECUTION_FAILED',
      'found exit code 3: no libfoo',
    ],
    [
      'says nothing and fails',
      'exit 1',
      'EXECUTION_FAILED',
      'found exit code 1; if it takes other arguments, name them in prebuilt.json: {"verify": {"smoke":',
    ],
    ['is killed', 'kill -SEGV $$', 'EXECUTION_FAILED', 'found signal SIGSEGV'],
    ['prints another version', 'echo program 1.2.31', 'WRONG_VERSION', 'found "program 1.2.31"'],
    ['prints no version', 'true', 'WRONG_VERSION', 'expected it to print 1.2.3, found ""'],
    ['prints endlessly', 'exec yes', 'EXECUTION_FAILED', 'y'],
    [
      'fails only for --help',
      `${VERSION}; test "$2" != --help`,
      'EXECUTION_FAILED',
      '--help: expected exit code 0',
    ],
    [
      'prints colors and a bell',
      "printf '\\033[31mbroken\\033[0m\\a\\n' >&2; exit 4",
      'EXECUTION_FAILED',
      'found exit code 4: broken',
    ],
  ])('a finding names a program that %s', async (_, script, code, says) => {
    expect(await execute(script)).toContainEqual({
      severity: 'error',
      code,
      message: expect.stringContaining(says),
    });
  });

  it.each([
    ['hangs', 'exec sleep 600'],
    ['ignores signals to stop', 'trap "" TERM INT HUP; while :; do sleep 1; done'],
    ['waits for its own children', 'sleep 600 & sleep 600'],
    ['exits but leaves a child that holds its output open', `${VERSION}; sleep 600 & exit 0`],
    [
      'exits but leaves a child in another session that holds its output open',
      `${VERSION}; setsid sleep 30 & exit 0`,
    ],
  ])('verification does not wait beyond the deadline for a program that %s', async (_, script) => {
    expect(await execute(script, { timeoutMs: 1000, smoke: [['--version']] })).toEqual([
      { severity: 'error', code: 'TIMEOUT', message: expect.stringMatching(/within 1 s; .*"smoke"/) },
    ]);
  });

  it('a finding names a program that can’t be started', async () => {
    const missing = { file: join(folder, 'absent'), args: [] };
    if (artifact === undefined) throw new Error('no platform in the sample');
    const findings = await executeSmoke(
      { version: '1.2.3', timeoutMs: 1000, smoke: [['--version']] } as unknown as VerifyPlan,
      { artifact, executable: missing.file, command: missing },
      folder,
      new AbortController().signal,
    );
    expect(findings).toEqual([
      { severity: 'error', code: 'EXECUTION_FAILED', message: expect.stringContaining('ENOENT') },
    ]);
  });

  it('nothing of the program is left running', async () => {
    const alive = join(folder, 'alive');
    const background = `(sleep 2; touch ${alive}) >/dev/null 2>&1 &`;
    expect(await execute(`${background} ${VERSION}`)).toEqual([]);
    await sleep(3000);
    await expect(access(alive)).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it.each([
    ['while it runs', 300],
    ['before it runs', 0],
  ])('an interrupt %s stops the program', async (_, delay) => {
    const interrupt = new AbortController();
    if (delay === 0) interrupt.abort();
    else setTimeout(() => interrupt.abort(), delay);
    expect(await execute('exec sleep 600', {}, interrupt.signal)).toContainEqual(
      expect.objectContaining({ code: 'EXECUTION_FAILED' }),
    );
  });
});
