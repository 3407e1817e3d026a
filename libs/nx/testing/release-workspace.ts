import { createHash } from 'node:crypto';
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import {
  executableName,
  formatManifest,
  MANIFEST_FILE,
  type Manifest,
  runtimeFolderName,
} from '../src/artifacts/manifest.ts';
import { type Platform, parsePlatform } from '../src/artifacts/platform.ts';
import { formatReport, reportFileName } from '../src/artifacts/verify-report.ts';
import type { DockerReleaseOptions } from '../src/executors/docker-release/options.ts';
import { collectListed } from '../src/image/listed/collect.ts';
import type { ListedOption } from '../src/image/listed/entries.ts';
import { planListed } from '../src/image/listed/plan.ts';
import { readListed } from '../src/image/listed/workspace-files.ts';
import type { FetchArchive } from '../src/lock/debian-package.ts';
import { EMPTY_LOCK, type Lock } from '../src/lock/lock.ts';
import { serveArchives } from './debian-archive.ts';

/** A file in a runtime folder. The mode defaults to 0644. */
export interface SampleFile {
  readonly content: string | Uint8Array;
  readonly mode?: '0644' | '0755';
}

/** The parameters of a workspace. */
export interface SampleRelease {
  readonly dockerfile: string;
  readonly platforms?: readonly string[];
  /** The executable for every platform. Defaults to a line with the platform's name. */
  readonly executable?: Uint8Array;
  /** The files in every platform's runtime folder, by inner path. */
  readonly runtime?: Readonly<Record<string, SampleFile>>;
  /** Seconds since 1970. */
  readonly sourceDateEpoch?: number;
  readonly version?: string;
  /** The listed files. */
  readonly listed?: SampleListed;
}

/** Entries of `image.files`, the workspace files they refer to, and the packages in the lock. */
export interface SampleListed {
  readonly entries: readonly ListedOption[];
  readonly workspace?: Readonly<Record<string, SampleFile>>;
  readonly lock?: Lock;
  readonly fetch?: FetchArchive;
}

/** A workspace with tiny built files and passing reports. */
export interface ReleaseWorkspace {
  readonly root: string;
  readonly manifest: Manifest;
  path(...parts: readonly string[]): string;
  options(more?: Partial<DockerReleaseOptions>): DockerReleaseOptions;
  remove(): Promise<void>;
}

/** The program's name in a workspace. */
export const SAMPLE_NAME = 'app';

/** An ordinary Dockerfile that both builders can read. */
export const SAMPLE_DOCKERFILE = `FROM scratch
ARG TARGETARCH TARGETVARIANT
COPY runtime-linux-\${TARGETARCH}\${TARGETVARIANT}/ /
COPY --chmod=755 app-linux-\${TARGETARCH}\${TARGETVARIANT} /app
EXPOSE 8080
USER 65534
ENTRYPOINT ["/app"]
`;

/** Creates a workspace in a temporary folder. */
export async function releaseWorkspace(sample: SampleRelease): Promise<ReleaseWorkspace> {
  const root = await mkdtemp(join(tmpdir(), 'release-'));
  const path = (...parts: readonly string[]): string => join(root, ...parts);
  const write = async (name: string, content: string | Uint8Array, mode = '0644'): Promise<void> => {
    await mkdir(dirname(path(name)), { recursive: true });
    await writeFile(path(name), content);
    await chmod(path(name), Number.parseInt(mode, 8));
  };
  const runtime = sample.runtime ?? { 'lib/libc.so.6': { content: 'libc', mode: '0755' } };
  const platforms = (sample.platforms ?? ['linux/amd64', 'linux/arm64']).map(parsePlatform);
  const artifacts: Manifest['platforms'] = [];
  for (const platform of platforms) {
    const executable = executableName(SAMPLE_NAME, platform);
    const content = sample.executable ?? `executable of ${platform}\n`;
    await write(`dist/bin/${executable}`, content, '0755');
    const folder = runtimeFolderName(platform);
    await mkdir(path('dist/bin', folder), { recursive: true });
    for (const [name, { content, mode }] of Object.entries(runtime)) {
      await write(`dist/bin/${folder}/${name}`, content, mode);
    }
    artifacts.push({
      platform,
      path: executable,
      ...facts(content),
      elf: { type: 'exec', machine: 'x86_64', interpreter: null, needed: [], versionNeeds: {} },
      runtime: {
        path: folder,
        files: Object.entries(runtime).map(([name, { content, mode = '0644' }]) => ({
          path: name,
          mode,
          ...facts(content),
          package: null,
        })),
      },
      components: [],
    });
  }
  const { entries = [], workspace = {}, lock = EMPTY_LOCK, fetch = serveArchives() } = sample.listed ?? {};
  for (const [name, { content, mode }] of Object.entries(workspace)) await write(name, content, mode);
  const plans = planListed(await readListed(root, entries), lock);
  const listed = await collectListed(plans, path('dist/bin'), path('.cache'), { fetch });
  const manifest: Manifest = {
    schemaVersion: 2,
    name: SAMPLE_NAME,
    version: sample.version ?? '1.2.3',
    revision: '0123456789abcdef0123456789abcdef01234567',
    sourceDateEpoch: sample.sourceDateEpoch ?? 1_700_000_000,
    toolchain: { name: 'bun', version: '1.4.4' },
    components: [],
    ...(listed.length > 0 && { files: listed }),
    platforms: artifacts,
  };
  await write(`dist/bin/${MANIFEST_FILE}`, formatManifest(manifest));
  await write('Dockerfile.release', sample.dockerfile);
  await write('package.json', '{"license":"MIT","repository":{"url":"git+https://example.com/app.git"}}');
  await writeReports(root, manifest);
  return {
    root,
    manifest,
    path,
    options: (more = {}) => ({
      builder: 'daemonless',
      compression: 'gzip',
      historyFormat: 'moby-28',
      dockerfile: 'Dockerfile.release',
      inputPath: 'dist/bin',
      verifyPath: 'dist/verify',
      outputPath: 'dist/oci',
      requireFullProof: false,
      dryRun: false,
      json: false,
      ...more,
    }),
    remove: () => rm(root, { recursive: true, force: true }),
  };
}

/** Writes passing reports for a workspace's manifest as it currently is on disk. */
export async function writeReports(root: string, manifest: Manifest): Promise<void> {
  await mkdir(join(root, 'dist/verify'), { recursive: true });
  const manifestSha256 = sha256Of(await readFile(join(root, 'dist/bin', MANIFEST_FILE)));
  for (const { platform, sha256 } of manifest.platforms) {
    await writeReport(root, platform, {
      manifestSha256,
      executableSha256: sha256,
      version: manifest.version,
    });
  }
}

async function writeReport(
  root: string,
  platform: Platform,
  facts: { manifestSha256: string; executableSha256: string; version: string },
): Promise<void> {
  const report = {
    schemaVersion: 1,
    platform,
    ...facts,
    result: 'passed',
    execution: { how: 'native' },
  } as const;
  await writeFile(
    join(root, 'dist/verify', reportFileName(platform)),
    formatReport({ ...report, findings: [] }),
  );
}

function facts(content: string | Uint8Array): { readonly size: number; readonly sha256: string } {
  return { size: Buffer.byteLength(content), sha256: sha256Of(content) };
}

function sha256Of(content: string | Uint8Array): string {
  return createHash('sha256').update(content).digest('hex');
}
