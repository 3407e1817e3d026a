import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { sampleManifest, withWorker } from '../../../testing/sample-manifest.ts';
import type { Manifest } from '../../artifacts/manifest.ts';
import { planSboms, type SbomPlan } from './plan.ts';
import { formatSbom, uuidOf, writeSboms } from './run.ts';

const SHA256 = 'd'.repeat(64);
const plan = (manifest: Manifest = sampleManifest): readonly SbomPlan[] =>
  planSboms({ manifest, sha256: SHA256 }, uuidOf);

function one(plans: readonly SbomPlan[]): SbomPlan {
  const [first] = plans;
  if (first === undefined) throw new Error('no plan');
  return first;
}

describe('planSboms', () => {
  it('a bill of materials lists libraries, the language runtime, and distribution packages with their files', () => {
    expect(one(plan()).components.map(({ purl, files }) => [purl, files.map(({ name }) => name)])).toEqual([
      ['pkg:npm/valibot@1.5.0', []],
      ['pkg:npm/%40oven/bun-linux-amd64@1.4.4', []],
      [
        'pkg:deb/debian/libc6@2.36-9%2Bdeb12u14?arch=amd64',
        ['/lib64/ld-linux-x86-64.so.2', '/lib/x86_64-linux-gnu/libc.so.6'],
      ],
    ]);
  });

  it('a bill of materials names the distribution of a package as the manifest does', () => {
    const manifest = structuredClone(sampleManifest) as Manifest;
    for (const { runtime } of manifest.platforms)
      for (const file of runtime.files) Object.assign(file.package ?? {}, { distribution: 'ubuntu' });
    expect(one(plan(manifest)).components.at(-1)?.purl).toBe(
      'pkg:deb/ubuntu/libc6@2.36-9%2Bdeb12u14?arch=amd64',
    );
  });

  it('a bill of materials lists the other executables of the program with their hashes', () => {
    const [first] = plan(withWorker(sampleManifest));
    expect(first?.components[0]).toMatchObject({
      type: 'file',
      name: 'worker-linux-amd64',
      sha256: 'd'.repeat(64),
    });
  });

  it('a bill of materials lists the files of a built-in with their package, and workspace files on their own', () => {
    const file = (path: string) => ({ path, mode: '0644', size: 1, sha256: 'e'.repeat(64) });
    const origin = {
      kind: 'package',
      name: 'tzdata',
      version: '2026f-0+deb12u1',
      architecture: 'all',
    } as const;
    const files: Manifest['files'] = [
      {
        origin: { ...origin, distribution: 'debian' },
        owner: '0:0',
        folders: [],
        files: [file('usr/share/zoneinfo/UTC')],
      },
      { origin: { kind: 'workspace', path: 'LICENSE' }, owner: '0:0', folders: [], files: [file('LICENSE')] },
      { origin: { kind: 'built-in', name: 'users' }, owner: '0:0', folders: [], files: [file('etc/passwd')] },
    ];
    for (const { components } of plan({ ...sampleManifest, files })) {
      expect(components.slice(-3)).toEqual([
        expect.objectContaining({
          purl: 'pkg:deb/debian/tzdata@2026f-0%2Bdeb12u1?arch=all',
          files: [{ type: 'file', name: '/usr/share/zoneinfo/UTC', sha256: 'e'.repeat(64), files: [] }],
        }),
        { type: 'file', name: '/LICENSE', sha256: 'e'.repeat(64), files: [] },
        { type: 'file', name: '/etc/passwd', sha256: 'e'.repeat(64), files: [] },
      ]);
    }
  });

  it('a bill of materials lists the files in an archive under it, by their paths in the archive', async () => {
    const sha256 = 'f'.repeat(64);
    const metadata = { mode: '0644', uid: 0, gid: 0, mtime: 0 };
    const entries = [
      { type: 'directory' as const, path: 'bin', ...metadata },
      { type: 'file' as const, path: 'bin/tool', ...metadata, size: 1, sha256 },
      { type: 'link' as const, path: 'bin/same', ...metadata, target: 'bin/tool' },
    ];
    const archive = { kind: 'entries' as const, entries };
    const file = { path: 'opt/a.tar', mode: '0644', size: 1, sha256: 'e'.repeat(64), archive };
    const origin = { kind: 'workspace' as const, path: 'a.tar' };
    const files = [{ origin, owner: '0:0', folders: [], files: [file] }];
    const bom = JSON.parse(await formatSbom(one(plan({ ...sampleManifest, files }))));
    expect(bom.components.find(({ name }: { name: string }) => name === '/opt/a.tar')).toMatchObject({
      hashes: [{ content: 'e'.repeat(64) }],
      components: [{ type: 'file', name: 'bin/tool', hashes: [{ alg: 'SHA-256', content: sha256 }] }],
    });
  });

  it('a bill of materials lists files without a package on their own', () => {
    const manifest = structuredClone(sampleManifest) as Manifest;
    for (const { runtime } of manifest.platforms)
      for (const file of runtime.files) Object.assign(file, { package: null });
    expect(
      one(plan(manifest))
        .components.slice(2)
        .map(({ type, name }) => [type, name]),
    ).toEqual([
      ['file', '/lib64/ld-linux-x86-64.so.2'],
      ['file', '/lib/x86_64-linux-gnu/libc.so.6'],
    ]);
  });

  it('each platform’s bill of materials has its own serial number, the same for the same build', () => {
    const numbers = plan().map(({ serialNumber }) => serialNumber);
    expect(new Set(numbers).size).toBe(2);
    expect(plan().map(({ serialNumber }) => serialNumber)).toEqual(numbers);
    expect(numbers[0]).toMatch(
      /^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
    );
  });
});

describe('a bill of materials', () => {
  it('a bill of materials is CycloneDX 1.6 with hashes, licenses and dependencies', async () => {
    const bom = JSON.parse(await formatSbom(one(plan())));
    expect(bom).toMatchObject({
      bomFormat: 'CycloneDX',
      specVersion: '1.6',
      metadata: {
        timestamp: '2023-11-14T22:13:20.000Z',
        component: { type: 'application', name: 'mount-monitor-linux-amd64', version: '1.2.3' },
      },
    });
    const valibot = bom.components.find(({ name }: { name: string }) => name === 'valibot');
    expect(valibot.licenses).toEqual([{ expression: 'MIT' }]);
    const libc = bom.components.find(({ name }: { name: string }) => name === 'libc6');
    expect(libc.components).toHaveLength(2);
    expect(libc.components[0].hashes).toEqual([
      { alg: 'SHA-256', content: expect.stringMatching(/^[0-9a-f]{64}$/) },
    ]);
    const program = bom.dependencies.find(({ ref }: { ref: string }) => ref === 'program');
    expect(program.dependsOn).toHaveLength(3);
  });

  it('the same manifest always gives the same bill of materials, byte for byte', async () => {
    expect(await formatSbom(one(plan()))).toBe(await formatSbom(one(plan())));
  });

  it('the bills of materials of all platforms replace the whole output folder', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'sbom-'));
    try {
      await writeSboms(join(folder, 'sbom'), plan());
      expect((await readdir(join(folder, 'sbom'))).sort()).toEqual([
        'mount-monitor-linux-amd64.cdx.json',
        'mount-monitor-linux-arm64.cdx.json',
      ]);
      expect(await readdir(folder)).toEqual(['sbom']);
      const text = await readFile(join(folder, 'sbom/mount-monitor-linux-arm64.cdx.json'), 'utf8');
      expect(text).toContain('arch=arm64');
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
