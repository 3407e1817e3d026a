import { spawnSync } from 'node:child_process';
import { globSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { createTreeWithEmptyWorkspace } from '@nx/devkit/testing';
import { expect, it } from 'vitest';
import { parsePlatform } from '../artifacts/platform.ts';
import { reportFailures } from '../executors/failures.ts';
import { readExecutionFacts } from '../executors/verify/facts.ts';
import lockGenerator from '../generators/lock/generator.ts';
import { EMPTY_LOCK } from '../lock/lock.ts';
import { BUN_PACKAGES, bunPackagesFor } from '../toolchains/bun.ts';
import { enginePlatform, type Host, isRunning, nativePlatform } from './host.ts';

const MACS: readonly Host[] = [
  { os: 'darwin', arch: 'arm64' },
  { os: 'darwin', arch: 'x64' },
];
/** The machine's name, Linux-only folders, GNU-only programs, and reflinks. */
const HOST_QUESTION =
  /process\.(platform|arch)\b|\bos\.(platform|arch|type)\(|['"`]\/(proc|sys)\/|sha256sum'|--reflink/;
const AMD64 = parsePlatform('linux/amd64');

it.each(MACS)('uses Bun’s compiler for $os/$arch, which is in the lock', (host) => {
  const [compiler = '', ...runtimes] = bunPackagesFor([AMD64], host);
  expect(compiler).toMatch(/^@oven\/bun-darwin-/);
  expect(runtimes).toEqual(['@oven/bun-linux-x64-baseline']);
  expect(BUN_PACKAGES).toContain(compiler);
});

it.each(MACS)('expects an engine for the same processor on $os/$arch', (host) => {
  expect(enginePlatform(host)).toBe(host.arch === 'x64' ? 'linux/amd64' : 'linux/arm64');
});

it.each(MACS)('runs no Linux executable natively on $os/$arch', async (host) => {
  expect(nativePlatform(host)).toBeUndefined();
  const places = { given: [], locked: { lock: EMPTY_LOCK, cacheFolder: '.' }, path: [] };
  const facts = await readExecutionFacts([AMD64], places, host);
  expect(facts.host).toBeUndefined();
  expect(facts.emulators.size).toBe(0);
});

it('host.ts is the only module that depends on the machine', () => {
  const libs = join(import.meta.dirname, '../../..');
  const files = ['nx', 'oci', 'elf'].flatMap((lib) =>
    globSync('src/**/*.ts', { cwd: join(libs, lib) }).map((file) => join(libs, lib, file)),
  );
  const asking = files
    .filter((file) => !file.endsWith('.spec.ts'))
    // Comments may mention them.
    .filter((file) => HOST_QUESTION.test(readFileSync(file, 'utf8').replaceAll(/^\s*(\/\/|\/?\*).*$/gm, '')))
    .map((file) => relative(libs, file));
  expect(asking).toEqual(['nx/src/process/host.ts']);
});

it('says what to do on Windows before any work', async () => {
  const said: unknown[] = [];
  const { error } = console;
  console.error = (line) => void said.push(line);
  let worked = false;
  try {
    const work = async () => {
      worked = true;
      return true;
    };
    const windows = { os: 'win32', arch: 'x64' };
    expect(await reportFailures({ root: '.' }, work, windows)).toEqual({
      success: false,
      failure: { code: 'HOST', hint: expect.stringContaining('WSL') },
    });
  } finally {
    console.error = error;
  }
  expect(worked).toBe(false);
  expect(said.join('\n')).toMatch(/^error HOST: this machine: expected Linux or macOS, found Windows\n.*WSL/);
});

it('says what to do on Windows when writing the lock', async () => {
  const tree = createTreeWithEmptyWorkspace();
  const writing = lockGenerator(tree, {}, undefined, { os: 'win32', arch: 'x64' });
  await expect(writing).rejects.toThrow(/^error HOST: .*found Windows\n.*WSL/);
});

it('knows which processes are running without /proc, which a Mac does not have', () => {
  const { pid } = spawnSync('true');
  expect([process.pid, process.ppid, 1, pid].map(isRunning)).toEqual([true, true, true, false]);
});
