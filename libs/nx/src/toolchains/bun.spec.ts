import { describe, expect, it } from 'vitest';
import { parsePlatform } from '../artifacts/platform.ts';
import { EMPTY_LOCK, type Lock } from '../lock/lock.ts';
import { checkPlatforms, configureToolchain, detectToolchain, toolchainOfProject } from './index.ts';

const detect = (files: Readonly<Record<string, string>>) =>
  detectToolchain({ has: (path) => path in files, read: (path) => files[path] });

describe('bun', () => {
  it.each([
    [
      'the command in package.json',
      { 'package.json': '{"bin":"./src/cli.ts"}', 'src/cli.ts': '' },
      'src/cli.ts',
    ],
    [
      'the first of several',
      { 'package.json': '{"bin":{"a":"a.mts","b":"b.ts"}}', 'a.mts': '', 'b.ts': '' },
      'a.mts',
    ],
    ['src/main.ts', { 'package.json': '{}', 'src/main.ts': '' }, 'src/main.ts'],
    ['src/index.ts', { 'src/index.ts': '' }, 'src/index.ts'],
    ['src/main.ts next to a broken package.json', { 'package.json': '{', 'src/main.ts': '' }, 'src/main.ts'],
    [
      'src/main.ts if the command was not compiled yet',
      { 'package.json': '{"bin":"dist/a.js"}', 'src/main.ts': '' },
      'src/main.ts',
    ],
  ])('bun is detected by %s', (_, files, entry) => {
    expect(detect(files)).toEqual({ name: 'bun', entry });
  });

  it.each([
    ['a command that is a shell script', { 'package.json': '{"bin":"run.sh"}', 'run.sh': '' }],
    ['an empty folder', {}],
  ])('bun is not detected by %s', (_, files) => {
    expect(detect(files)).toBeUndefined();
  });

  it.each(['main.go', 'main', 'src/main.rs', 'script.sh', 'main.ts.txt', 'data.json'])(
    'refuses the entry %s, which Bun would embed as text in an executable that does nothing',
    (entry) => {
      expect(() => configureToolchain({ name: 'bun', entry })).toThrow(
        expect.objectContaining({
          code: 'INVALID_OPTIONS',
          message: expect.stringMatching(
            /toolchain\.entry: expected a JavaScript or TypeScript file.*does nothing/,
          ),
        }),
      );
    },
  );

  it('reports every problem with its options', () => {
    expect(() => configureToolchain({ name: 'bun', entry: 'main.go', minify: true })).toThrow(
      /toolchain\.entry.*; toolchain\.minify/,
    );
  });

  it('refuses a platform without a runtime', () => {
    expect(() => checkPlatforms('bun', [parsePlatform('linux/s390x')])).toThrow(
      expect.objectContaining({
        code: 'INVALID_PLATFORM',
        message: expect.stringContaining('linux/s390x'),
        hint: 'Remove the others from "platforms" in prebuilt.json.',
      }),
    );
  });

  it("includes only the lock's entries for its platforms in the cache key", async () => {
    const pin = (sha256: string) => ({ integrity: 'sha512-x', sha256 });
    const lock = (arm: string): Lock => ({
      lockVersion: 1,
      bun: {
        version: '1.4.4',
        packages: { '@oven/bun-linux-x64-baseline': pin('a'), '@oven/bun-linux-aarch64': pin(arm) },
      },
    });
    const key = (arm: string, ...platforms: readonly string[]) =>
      configureToolchain({ name: 'bun', entry: 'a.ts' }).keyFacts({
        workspaceRoot: '/',
        name: 'x',
        platforms: platforms.map(parsePlatform),
        lock: lock(arm),
      });
    expect(await key('b', 'linux/amd64')).toEqual(await key('c', 'linux/amd64'));
    expect(await key('b', 'linux/arm64')).not.toEqual(await key('c', 'linux/arm64'));
  });

  it('uses production inputs if the workspace defines them', () => {
    const { inputs } = configureToolchain({ name: 'bun', entry: 'a.ts' });
    expect(inputs(new Set(['production']))).toEqual(['production', '^production']);
    expect(inputs(new Set())).toEqual(['default', '^default']);
  });

  it('resolves the entry of a prebuilt.json in its own folder', () => {
    expect(toolchainOfProject({ name: 'bun', entry: '../lib/main.ts' }, 'apps/a')).toEqual({
      name: 'bun',
      entry: 'apps/lib/main.ts',
    });
  });

  const MAIN = import.meta.filename.slice(1);
  it.each<[string, { readonly entry?: string; readonly arch?: string }, string, string, string]>([
    [
      'without its main file',
      { entry: 'nowhere/main.ts' },
      'INVALID_OPTIONS',
      'toolchain.entry: expected a file, found none at /nowhere/main.ts',
      '"entry" to the program’s main file, relative to the folder of prebuilt.json',
    ],
    [
      'with a lock without Bun',
      {},
      'LOCKFILE',
      "expected Bun's package @oven/bun-linux-",
      'npx nx g @prebuilt/nx:lock',
    ],
    [
      'on a machine without a Bun compiler',
      { arch: 'riscv64' },
      'TOOLCHAIN',
      'found linux/riscv64',
      'Build in a Linux container or virtual machine.',
    ],
  ])('refuses a program %s', async (_, { entry = MAIN, arch = process.arch }, code, message, hint) => {
    const own = Object.getOwnPropertyDescriptor(process, 'arch') as PropertyDescriptor;
    Object.defineProperty(process, 'arch', { ...own, value: arch });
    try {
      const prepared = configureToolchain({ name: 'bun', entry }).prepare({
        workspaceRoot: '/',
        name: 'x',
        platforms: [parsePlatform('linux/amd64')],
        lock: EMPTY_LOCK,
        cacheFolder: '/nowhere',
        signal: new AbortController().signal,
        progress: () => {},
      });
      await expect(prepared).rejects.toMatchObject({
        code,
        message: expect.stringContaining(message),
        hint: expect.stringContaining(hint),
      });
    } finally {
      Object.defineProperty(process, 'arch', own);
    }
  });
});
