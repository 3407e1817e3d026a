import { mkdtemp, open, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { commandOutput } from './command-output.ts';

it('runs a program as soon as no other process has it open for writing', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'busy-'));
  const path = join(folder, 'program');
  await writeFile(path, '#!/bin/sh\necho ran\n', { mode: 0o755 });
  const held = await open(path, 'r+');
  try {
    const output = commandOutput(path, []);
    setTimeout(() => void held.close(), 100);
    expect(await output).toEqual({ ok: true, missing: false, text: 'ran\n' });
  } finally {
    await rm(folder, { recursive: true });
  }
});

it.each([
  ['the first line', 'no such thing\nand more', 'no such thing'],
  [
    'two lines if the first ends with a colon',
    'errors in go.mod:\n  line 1: what\nmore',
    'errors in go.mod: line 1: what',
  ],
  ['a trailing colon', 'what:', 'what:'],
])('returns %s of an error', async (_, said, text) => {
  const output = await commandOutput('sh', ['-c', 'echo "$1" >&2; exit 1', 'sh', said]);
  expect(output).toEqual({ ok: false, missing: false, text });
});
