import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { parsePlatform } from '../artifacts/platform.ts';
import { EMPTY_LOCK } from '../lock/lock.ts';
import { configureToolchain } from './index.ts';

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'command-'));
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(root, { recursive: true });
});

/** The cache key's facts for a command with these options. */
function keyFacts(options: Readonly<Record<string, unknown>>): Promise<unknown> {
  const toolchain = configureToolchain({ name: 'command', command: ['true', '{output}'], ...options });
  const platforms = ['linux/arm64', 'linux/s390x'].map(parsePlatform);
  return toolchain.keyFacts({ workspaceRoot: root, name: 'x', platforms, lock: EMPTY_LOCK });
}

describe('a command’s version', () => {
  it('a command’s version is read in the environment of the command, without the caller’s variables', async () => {
    const script = '#!/bin/sh\necho "tool 1.0 <$CALLER> $MODE"\n';
    await writeFile(join(root, 'version'), script, { mode: 0o755 });
    vi.stubEnv('CALLER', 'hostile');
    const facts = await keyFacts({ version: ['./version'], environment: { MODE: '{name}-{arch}' } });
    expect(facts).toMatchObject({ version: 'tool 1.0 <> x-arm64' });
  });

  it.each([
    ['that prints none', ['false'], 'expected a line with the tool’s version', 'omit "version"'],
    [
      'that is missing',
      ['no-such-tool', 'version'],
      'no-such-tool: expected a program in PATH, found none',
      'Install it',
    ],
  ])('a command’s version is refused from a program %s', async (_, version, says, hint) => {
    await expect(keyFacts({ version })).rejects.toMatchObject({
      code: 'TOOLCHAIN',
      message: expect.stringContaining(says),
      hint: expect.stringContaining(hint),
    });
  });
});

describe('a command’s options', () => {
  it.each<[Readonly<Record<string, unknown>>, string]>([
    [{ command: ['cc', 'main.c'] }, 'expected an argument with {output}'],
    [{ command: [] }, 'a program and its arguments'],
    [{ command: ['cc', '{outptu}', '{output}'] }, 'expected known placeholders, found {outptu}'],
    [{ command: 'cc -o {output}' }, 'a list of a program and its arguments'],
    [{ command: ['cc', '{output}'], environment: { A: '{b}' } }, 'expected known placeholders, found {b}'],
    [{ command: ['cc', '{output}', '{output:b}'], executables: ['a'] }, 'found {output:b}'],
    [{ command: ['cc', '{output}'], executables: ['a'] }, 'expected {output:a} in the command, found none'],
  ])('a command’s options %j are refused', (given, message) => {
    expect(() => configureToolchain({ name: 'command', ...given })).toThrow(message);
  });
});
