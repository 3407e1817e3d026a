import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { forgedEntry, TAR_END } from '@prebuilt/testing/layers';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { sampleManifest } from '../../testing/sample-manifest.ts';
import type { Manifest } from '../artifacts/manifest.ts';
import { describeArchive } from './archives/describe.ts';
import { readContextTexts } from './context-texts.ts';

const PASSWD = 'root:x:0:0::/:\n';
const ADD = Buffer.from('FROM scratch\nADD files/root.tar /\n');
const sha256Of = (text: string | Buffer): string => createHash('sha256').update(text).digest('hex');

let folder: string;
let path: string;
let manifest: Manifest;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'texts-'));
  path = join(folder, 'files/root.tar');
  await mkdir(join(folder, 'files'));
  const tar = Buffer.concat([forgedEntry({ name: 'etc/passwd' }, PASSWD), TAR_END]);
  await writeFile(path, tar);
  const facts = { size: tar.length, sha256: sha256Of(tar), archive: await describeArchive(path) };
  const file = { path: 'root.tar', mode: '0644', ...facts };
  const origin = { kind: 'workspace', path: 'root.tar' } as const;
  manifest = { ...sampleManifest, files: [{ origin, owner: '0:0', folders: [], files: [file] }] };
});
afterEach(() => rm(folder, { recursive: true }));

it('reads the lists of users in an archive if one is added', async () => {
  const list = sha256Of(PASSWD);
  expect((await readContextTexts(manifest, folder, ADD)).lists.get(list)).toBe(PASSWD);
  expect((await readContextTexts(manifest, folder, undefined)).lists.has(list)).toBe(false);
});

it('skips anything that is not a regular file, without blocking', async () => {
  await rm(path);
  execFileSync('mkfifo', [path]);
  expect((await readContextTexts(manifest, folder, ADD)).lists.has(sha256Of(PASSWD))).toBe(false);
});
