import { execFileSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { sampleManifest } from '../../testing/sample-manifest.ts';
import { readContextTexts } from './context-texts.ts';

const [artifact] = sampleManifest.platforms;
const path = artifact?.path ?? '';
const manifest = { ...sampleManifest, platforms: artifact === undefined ? [] : [artifact] };
const ADD = Buffer.from(`FROM scratch\nADD ${path} /\n`);

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'texts-'));
});
afterEach(() => rm(folder, { recursive: true }));

it('knows an archive by how it begins', async () => {
  const size = artifact?.size ?? 0;
  await writeFile(join(folder, path), Buffer.concat([Buffer.from([0x1f, 0x8b]), Buffer.alloc(size - 2)]));
  expect((await readContextTexts(manifest, folder, ADD)).archives).toEqual(new Set([artifact?.sha256]));
});

it('waits for nothing that is not a file, and leaves it to whoever packs it', async () => {
  execFileSync('mkfifo', [join(folder, path)]);
  expect((await readContextTexts(manifest, folder, ADD)).archives).toEqual(new Set());
});
