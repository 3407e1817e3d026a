import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, vi } from 'vitest';
import { parsePlatform } from '../../artifacts/platform.ts';
import { cgoFacts } from './cgo.ts';

it('asks a C compiler for its version without the caller’s variables', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'cgo-'));
  const compiler = join(folder, 'cc');
  await writeFile(compiler, '#!/bin/sh\necho "cc 1.0 <$CALLER>"\n', { mode: 0o755 });
  vi.stubEnv('CALLER', 'hostile');
  try {
    const facts = await cgoFacts({ 'linux/arm64': compiler }, [parsePlatform('linux/arm64')]);
    expect(facts).toEqual([`linux/arm64 ${compiler} cc 1.0 <>`]);
  } finally {
    vi.unstubAllEnvs();
    await rm(folder, { recursive: true });
  }
});
