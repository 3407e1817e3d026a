import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmod, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BLOBS_FOLDER, digestHex, readImageLayout } from '@prebuilt/oci';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeArchive, type SampleArchive, serveArchives } from '../../../testing/debian-archive.ts';
import { release } from '../../../testing/release.ts';
import { type ReleaseWorkspace, releaseWorkspace } from '../../../testing/release-workspace.ts';
import { inspectListed } from '../../executors/verify/inspect-files.ts';
import { hashPackage } from '../../lock/debian-package.ts';
import type { Lock } from '../../lock/lock.ts';
import { dockerfileOf } from '../release-images.ts';
import { listedKeyFacts, planListed } from './plan.ts';
import { readListed } from './workspace-files.ts';

const DOC = 'usr/share/doc';
const ZONES = 'usr/share/zoneinfo';

let folder: string;
let archives: readonly SampleArchive[];
let lock: Lock;
let workspace: ReleaseWorkspace;

const ENTRIES = [
  'ca-certificates',
  'tzdata',
  'users',
  'tmp',
  'LICENSE',
  { path: 'config', to: '/etc/app', owner: 'nonroot', mode: '0440' },
  { path: 'tool', to: '/opt/app/bin/tool', owner: '1000:1001' },
];
const FILES = {
  LICENSE: { content: 'MIT' },
  'config/app.json': { content: '{}' },
  'config/more/b c.json': { content: '[]' },
  tool: { content: '#!/bin/sh', mode: '0755' },
} as const;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'listed-files-'));
  archives = [
    await makeArchive(folder, 'ca-certificates', {
      'usr/share/ca-certificates/mozilla/B.crt': 'certificate B',
      'usr/share/ca-certificates/mozilla/A.crt': 'certificate A\n',
      [`${DOC}/ca-certificates/copyright`]: 'copyright',
      [`${DOC}/ca-certificates/changelog`]: 'changelog',
    }),
    await makeArchive(folder, 'tzdata', {
      [`${ZONES}/Europe/Berlin`]: 'TZif Berlin',
      [`${ZONES}/Europe/Copenhagen`]: '-> Berlin',
      [`${ZONES}/right/Europe/Berlin`]: 'leap seconds',
      [`${ZONES}/posix/Europe`]: '-> ../Europe',
      [`${ZONES}/localtime`]: '-> /etc/localtime',
      [`${DOC}/tzdata/copyright`]: 'copyright',
    }),
  ];
  const fetch = serveArchives(...archives);
  const data: Record<string, NonNullable<Lock['data']>[string]> = {};
  for (const { file: _, name, ...archive } of archives) {
    const contents = await hashPackage(join(folder, 'cache'), { name, ...archive }, { fetch });
    data[name] = { ...archive, contents };
  }
  lock = { lockVersion: 1, distribution: 'debian', data };
  workspace = await releaseWorkspace({
    dockerfile: 'FROM scratch\n',
    listed: { entries: ENTRIES, workspace: FILES, lock, fetch },
  });
});
afterAll(async () => {
  await workspace.remove();
  await rm(folder, { recursive: true });
});

const sha256Of = (text: string): string => createHash('sha256').update(text).digest('hex');

/** The entries in an image's layers according to the independent tool tar: `mode owner path`, one per line. */
async function listing(outputPath: string): Promise<readonly string[]> {
  const [image] = (await readImageLayout(outputPath)).images;
  return (image?.manifest.layers ?? []).flatMap(({ digest }) =>
    execFileSync('tar', ['--numeric-owner', '-tvzf', join(outputPath, BLOBS_FOLDER, digestHex(digest))])
      .toString()
      .trimEnd()
      .split('\n')
      .map((line) => line.replace(/^(\S+) (\S+) +\d+ \S+ \S+ /, '$1 $2 ')),
  );
}

const withoutDockerfile = () => {
  const { dockerfile: _, ...options } = workspace.options();
  return { ...workspace, options: () => options };
};

describe('listed files', () => {
  it('listed files are in the manifest with hash and origin', () => {
    expect(workspace.manifest.files?.map(({ origin, owner }) => [origin, owner])).toEqual([
      [expect.objectContaining({ kind: 'package', name: 'ca-certificates', version: '1.0-1' }), '0:0'],
      [expect.objectContaining({ kind: 'package', name: 'tzdata', distribution: 'debian' }), '0:0'],
      [{ kind: 'built-in', name: 'users' }, '0:0'],
      [{ kind: 'built-in', name: 'tmp' }, '0:0'],
      [{ kind: 'workspace', path: 'LICENSE' }, '0:0'],
      [{ kind: 'workspace', path: 'config' }, '65532:65532'],
      [{ kind: 'workspace', path: 'tool' }, '1000:1001'],
    ]);
    expect(workspace.manifest.files?.[4]?.files).toEqual([
      { path: 'LICENSE', mode: '0644', size: 3, sha256: sha256Of('MIT') },
    ]);
  });

  it('listed certificates form one bundle, sorted by name', async () => {
    const bundle = await readFile(workspace.path('dist/bin/files/etc/ssl/certs/ca-certificates.crt'), 'utf8');
    expect(bundle).toBe('certificate A\ncertificate B\n');
  });

  it('listed time zones occur once each, with links resolved', () => {
    expect(workspace.manifest.files?.[1]?.files.map(({ path }) => path)).toEqual([
      `${ZONES}/Europe/Berlin`,
      `${ZONES}/Europe/Copenhagen`,
      `${DOC}/tzdata/copyright`,
      'var/lib/dpkg/status.d/tzdata',
    ]);
  });

  it('listed files are in the image without a Dockerfile, and tar finds them with owner and mode', async () => {
    const { plan } = await release(withoutDockerfile(), { platforms: ['linux/amd64'] });
    expect(await listing(plan.outputPath)).toMatchInlineSnapshot(`
      [
        "drwxr-xr-x 0/0 lib/",
        "-rwxr-xr-x 0/0 lib/libc.so.6",
        "-rw-r--r-- 0/0 LICENSE",
        "drwxr-xr-x 0/0 etc/",
        "-rw-r--r-- 0/0 etc/group",
        "-rw-r--r-- 0/0 etc/passwd",
        "drwxr-xr-x 0/0 etc/ssl/",
        "drwxr-xr-x 0/0 etc/ssl/certs/",
        "-rw-r--r-- 0/0 etc/ssl/certs/ca-certificates.crt",
        "drwxr-xr-x 0/0 opt/",
        "drwxr-xr-x 0/0 opt/app/",
        "drwxr-xr-x 0/0 opt/app/bin/",
        "drwxrwxrwt 0/0 tmp/",
        "drwxr-xr-x 0/0 usr/",
        "drwxr-xr-x 0/0 usr/share/",
        "drwxr-xr-x 0/0 usr/share/doc/",
        "drwxr-xr-x 0/0 usr/share/doc/ca-certificates/",
        "-rw-r--r-- 0/0 usr/share/doc/ca-certificates/copyright",
        "drwxr-xr-x 0/0 usr/share/doc/tzdata/",
        "-rw-r--r-- 0/0 usr/share/doc/tzdata/copyright",
        "drwxr-xr-x 0/0 usr/share/zoneinfo/",
        "drwxr-xr-x 0/0 usr/share/zoneinfo/Europe/",
        "-rw-r--r-- 0/0 usr/share/zoneinfo/Europe/Berlin",
        "-rw-r--r-- 0/0 usr/share/zoneinfo/Europe/Copenhagen",
        "drwxr-xr-x 0/0 var/",
        "drwxr-xr-x 0/0 var/lib/",
        "drwxr-xr-x 0/0 var/lib/dpkg/",
        "drwxr-xr-x 0/0 var/lib/dpkg/status.d/",
        "-rw-r--r-- 0/0 var/lib/dpkg/status.d/ca-certificates",
        "-rw-r--r-- 0/0 var/lib/dpkg/status.d/tzdata",
        "drwxr-xr-x 0/0 etc/",
        "drwxr-xr-x 65532/65532 etc/app/",
        "-r--r----- 65532/65532 etc/app/app.json",
        "drwxr-xr-x 65532/65532 etc/app/more/",
        "-r--r----- 65532/65532 etc/app/more/b c.json",
        "drwxr-xr-x 0/0 opt/",
        "drwxr-xr-x 0/0 opt/app/",
        "drwxr-xr-x 0/0 opt/app/bin/",
        "-rwxr-xr-x 1000/1001 opt/app/bin/tool",
        "-rwxr-xr-x 0/0 app",
      ]
    `);
  });

  it('listed files are in a Dockerfile’s context under documented names', async () => {
    const dockerfile = Buffer.from(`FROM scratch
COPY files/ /
COPY --chown=65532:65532 files-65532-65532/etc/app/ /config/
COPY app-linux-amd64 /app
USER nonroot
ENTRYPOINT ["/app"]
`);
    const { plan } = await release(workspace, { platforms: ['linux/amd64'] }, { dockerfile });
    const lines = await listing(plan.outputPath);
    expect(lines).toContain('-r--r----- 65532/65532 config/app.json');
    expect(lines).toContain('drwxrwxrwt 0/0 tmp/');
    expect(lines).not.toContain('-r--r----- 65532/65532 etc/app/app.json');
  });

  it('listed files are refused if an executable would replace them', async () => {
    const clash = await releaseWorkspace({
      dockerfile: '',
      listed: { entries: [{ path: 'x', to: '/app' }], workspace: { x: { content: 'x' } } },
    });
    const { dockerfile: _, ...options } = clash.options();
    await expect(release({ ...clash, options: () => options })).rejects.toThrow(
      /\/app: expected the listed file, found an executable/,
    );
    await clash.remove();
  });

  it.each<[string, (path: string) => Promise<void>, RegExp]>([
    ['changed content', (path) => writeFile(path, 'GPL'), /WRONG_HASH|expected SHA-256/],
    ['a changed size', (path) => writeFile(path, 'longer'), /bytes/],
    ['a changed mode', (path) => chmod(path, 0o755), /mode/],
    ['none', (path) => rm(path), /expected a file, found none/],
  ])('verify finds listed files with %s', async (_, change, problem) => {
    const path = workspace.path('dist/bin/files/LICENSE');
    const groups = workspace.manifest.files ?? [];
    const { mode } = await stat(path);
    expect(await inspectListed(groups, workspace.path('dist/bin'))).toEqual([]);
    await change(path);
    const findings = await inspectListed(groups, workspace.path('dist/bin'));
    await writeFile(path, 'MIT');
    await chmod(path, mode);
    expect(findings).toEqual([
      expect.objectContaining({ severity: 'error', message: expect.stringMatching(problem) }),
    ]);
    expect(findings[0]?.message).toContain('files/LICENSE');
  });

  it('verify finds files that the manifest does not list', async () => {
    await writeFile(workspace.path('dist/bin/files/evil'), '');
    const findings = await inspectListed(workspace.manifest.files ?? [], workspace.path('dist/bin'));
    const alone = await inspectListed([], workspace.path('dist/bin'));
    await rm(workspace.path('dist/bin/files/evil'));
    expect(findings).toMatchObject([
      { code: 'UNEXPECTED_FILE', message: 'files/evil: is not in the manifest' },
    ]);
    expect(alone.map(({ message }) => message)).toContain('files/LICENSE: is not in the manifest');
  });

  it('docker-release refuses listed files that changed after verify', async () => {
    const path = workspace.path('dist/bin/files/LICENSE');
    await writeFile(path, 'GPL');
    const refused = release(withoutDockerfile(), { platforms: ['linux/amd64'] });
    await expect(refused).rejects.toMatchObject({ code: 'ARTIFACT_CHANGED' });
    await writeFile(path, 'MIT');
  });

  it('listed files are part of a build’s cache key: the lock entries, and the content of files', async () => {
    const key = async (name: string, change: Lock = lock): Promise<string> =>
      JSON.stringify(await listedKeyFacts(planListed(await readListed(workspace.root, [name]), change)));
    const pin = lock.data?.tzdata;
    if (pin === undefined) throw new Error('no pin');
    const moved = { ...lock, data: { ...lock.data, tzdata: { ...pin, sha256: '0'.repeat(64) } } };
    expect(await key('tzdata')).not.toBe(await key('tzdata', moved));
    expect(await key('LICENSE')).toBe(await key('LICENSE', moved));
    const before = await key('LICENSE');
    await writeFile(workspace.path('LICENSE'), 'GPL');
    const after = await key('LICENSE');
    await writeFile(workspace.path('LICENSE'), 'MIT');
    expect(after).not.toBe(before);
  });

  it('listed files fail the build if their package does not match the lock', async () => {
    const pin = lock.data?.tzdata;
    if (pin === undefined) throw new Error('no pin');
    const wrong = { ...lock, data: { tzdata: { ...pin, contents: '0'.repeat(64) } } };
    const listed = { entries: ['tzdata'], lock: wrong, fetch: serveArchives(...archives) };
    await expect(releaseWorkspace({ dockerfile: '', listed })).rejects.toMatchObject({
      code: 'SYSROOT_INTEGRITY',
    });
  });

  it('the generated Dockerfile copies listed files after runtime files and before executables', () => {
    const text = Buffer.from(dockerfileOf({ dockerfile: undefined } as never, workspace.manifest)).toString();
    const suffix = `linux-\${TARGETARCH}\${TARGETVARIANT}`;
    expect(text.split('\n').filter((line) => line.startsWith('COPY'))).toEqual([
      `COPY runtime-${suffix}/ /`,
      'COPY files/ /',
      'COPY --chown=65532:65532 files-65532-65532/etc/app/ /etc/app/',
      'COPY --chown=1000:1001 files-1000-1001/opt/app/bin/tool /opt/app/bin/tool',
      `COPY --chmod=755 app-${suffix} /app`,
    ]);
  });
});
