import { spawnSync } from 'node:child_process';
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { skipOutsideCi } from '@prebuilt/testing/engine';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { buildIn, checksumsIn, keyIn, type ToolchainBuild, verifyIn } from '../testing/toolchain-build.ts';

const HAS_GO = spawnSync('go', ['version']).status === 0;

// Go represents any compiler that takes a target and an output.
const COMPILE = [
  'go',
  'build',
  '-trimpath',
  '-ldflags=-s -w -buildid= -X=main.version={version}',
  '-o',
  '{output}',
  './main.go',
];
const program = (
  toolchain: Readonly<Record<string, unknown>> = {},
  platforms = ['linux/amd64'],
): ToolchainBuild => ({
  toolchain: {
    name: 'command',
    command: COMPILE,
    environment: { GOARCH: '{goarch}', CGO_ENABLED: '0', GO111MODULE: 'off' },
    ...toolchain,
  },
  platforms,
});

const made: string[] = [];
async function workspace(): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), 'command-'));
  made.push(root);
  await writeFile(
    join(root, 'main.go'),
    'package main\n\nimport "syscall"\n\nvar version = "dev"\n\nfunc main() { syscall.Write(1, []byte(version)) }\n',
  );
  return root;
}
afterAll(() => Promise.all(made.map((root) => rm(root, { recursive: true, force: true }))));

describe('a program compiled by a command', () => {
  beforeEach(({ skip }) => {
    if (!HAS_GO) skipOutsideCi('there is no Go: apt-get install golang-go', skip);
  });

  it('a program compiled by a command is built for each platform with its version, and has the same bytes in another folder', async () => {
    const [root, other] = [await workspace(), await workspace()];
    const build = program({ version: ['go', 'version'] }, ['linux/amd64', 'linux/s390x']);
    const { manifest } = await buildIn(root, build);
    expect(manifest.toolchain).toEqual({
      name: 'command',
      version: expect.stringMatching(/^go version go1/),
    });
    expect(manifest.components.map(({ purl }) => purl)).toEqual([
      expect.stringMatching(/^pkg:golang\/stdlib@1\./),
    ]);
    expect(await verifyIn(root)).toMatchObject([{ result: 'passed' }, { result: 'passed' }]);
    await buildIn(other, build);
    expect(await checksumsIn(other)).toBe(await checksumsIn(root));
  });

  it('a program compiled by a command gets only the environment it needs', async () => {
    const root = await workspace();
    const script = join(root, 'tools/compile');
    await mkdir(dirname(script));
    await writeFile(script, '#!/bin/sh\nenv | cut -d= -f1 | sort | tr "\\n" " " >&2\nexit 1\n');
    await chmod(script, 0o755);
    process.env.SECRET_OF_THE_CALLER = 'secret';
    try {
      const build = program({ command: ['tools/compile', '{output}'], environment: { MODE: '{arch}' } });
      const message = await buildIn(root, build).catch((error: Error) => error.message);
      expect(message).toMatch(/exit code 1.*\n.*HOME MODE (OLDPWD )?PATH PWD SOURCE_DATE_EPOCH/);
      expect(message).not.toContain('SECRET_OF_THE_CALLER');
    } finally {
      delete process.env.SECRET_OF_THE_CALLER;
    }
  });

  it('a program compiled by a command has a cache key that changes with its compiler', async () => {
    const root = await workspace();
    const script = join(root, 'compile');
    const build = program({ command: ['./compile', '{output}'] });
    await writeFile(script, '#!/bin/sh\n', { mode: 0o755 });
    const before = await keyIn(root, build);
    expect(await keyIn(root, build)).toBe(before);
    await writeFile(script, '#!/bin/sh\n# changed\n', { mode: 0o755 });
    expect(await keyIn(root, build)).not.toBe(before);
  });

  it.each<[string, Readonly<Record<string, unknown>>, readonly string[], string, string]>([
    [
      'in a missing folder',
      { folder: 'nowhere' },
      ['linux/amd64'],
      'toolchain.folder: expected a folder, found none',
      '"folder" is relative to',
    ],
    [
      'by a missing compiler',
      { command: ['no-such-{gnuTarget}', '{output}'] },
      ['linux/arm64'],
      'no-such-aarch64-linux-gnu: expected a program in PATH, found none',
      'It compiles for linux/arm64: install it',
    ],
    [
      'by a compiler without output',
      { command: ['true', '{output}'] },
      ['linux/amd64'],
      'expected a file at',
      'exactly the path given by {output}',
    ],
    [
      'by a compiler whose output is not an executable',
      { command: ['cp', 'main.go', '{output}'] },
      ['linux/amd64'],
      'expected an ELF executable for x86_64',
      '{goarch}, {gnuTarget}, {rustTarget}',
    ],
    [
      'for another machine',
      { environment: { GOARCH: 'arm64', CGO_ENABLED: '0', GO111MODULE: 'off' } },
      ['linux/amd64'],
      'expected a 64-bit little-endian x86_64 executable',
      '{goarch}, {gnuTarget}, {rustTarget}',
    ],
    [
      'by a failing compiler',
      { command: ['sh', '-c', 'echo out of memory >&2; exit 3', '{output}'] },
      ['linux/amd64'],
      'out of memory',
      '',
    ],
  ])('a program compiled %s is refused', async (_, toolchain, platforms, message, hint) => {
    await expect(buildIn(await workspace(), program(toolchain, [...platforms]))).rejects.toMatchObject({
      name: 'PrebuiltError',
      message: expect.stringContaining(message),
      hint: hint === '' ? undefined : expect.stringContaining(hint),
    });
  });
});
