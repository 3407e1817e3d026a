import { createCipheriv, createHash } from 'node:crypto';
import { chmod, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createImageLayout, type Descriptor, writeImageIndex, writeIndexFile } from '@prebuilt/oci';
import { execa } from 'execa';
import {
  executableName,
  formatManifest,
  MANIFEST_FILE,
  type Manifest,
  runtimeFolderName,
} from '../src/artifacts/manifest.ts';
import { type Platform, parsePlatform, platformParts } from '../src/artifacts/platform.ts';
import { formatReport, reportFileName } from '../src/artifacts/verify-report.ts';
import type { DockerPublishOptions } from '../src/executors/docker-publish/options.ts';
import { assembleImage } from '../src/image/daemonless.ts';
import { layoutRecord } from '../src/image/layout-record.ts';
import { expectedImage, planReleaseImages } from '../src/image/release-images.ts';
import { readImageSources } from '../src/image/sources.ts';

/** The parameters of a workspace. */
export interface PublishSample {
  readonly version: string;
  /** The size of each executable in bytes. The content is incompressible. */
  readonly executableSize?: number;
  /** Changes the executables' bytes. */
  readonly seed?: string;
  /** The commit in its manifest and labels, in full. */
  readonly revision?: string;
  /** Defaults to linux/amd64 and linux/arm64. */
  readonly platforms?: readonly Platform[];
}

/** A workspace with a build, its reports, bills of materials and image, in its state just before publishing. */
export interface PublishWorkspace {
  readonly root: string;
  /** Environment variables that hide the user's docker and git configuration. */
  readonly environment: Readonly<Record<string, string>>;
  readonly manifest: Manifest;
  readonly index: Descriptor;
  options(image: string, more?: Partial<DockerPublishOptions>): DockerPublishOptions;
  /** Builds another version in the same workspace, with its git tag. */
  release(sample: PublishSample): Promise<void>;
  /** The paths in dist/publish. */
  leftovers(): Promise<readonly string[]>;
  remove(): Promise<void>;
}

const NAME = 'app';
const PLATFORMS = ['linux/amd64', 'linux/arm64'].map(parsePlatform);
const MACHINES: Readonly<Record<string, number>> = { amd64: 62, arm64: 183 };
const SOURCE_DATE = 1_700_000_000;
const DOCKERFILE = `FROM scratch
ARG TARGETARCH
ARG TARGETVARIANT
COPY runtime-linux-\${TARGETARCH}\${TARGETVARIANT}/ /
COPY --chmod=755 app-linux-\${TARGETARCH}\${TARGETVARIANT} /app
USER 65534
ENTRYPOINT ["/app"]
`;

/** Creates a git repository with the version's tag and finished build in a temporary folder. */
export async function publishWorkspace(sample: PublishSample): Promise<PublishWorkspace> {
  const root = await mkdtemp(join(tmpdir(), 'publish-'));
  const environment = {
    DOCKER_CONFIG: join(root, '.docker'),
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_CONFIG_SYSTEM: '/dev/null',
    GIT_AUTHOR_NAME: 'test',
    GIT_AUTHOR_EMAIL: 'test@example.invalid',
    GIT_COMMITTER_NAME: 'test',
    GIT_COMMITTER_EMAIL: 'test@example.invalid',
  };
  const git = (...args: readonly string[]) => execa('git', [...args], { cwd: root, env: environment });
  await git('init', '--quiet');
  const release = async (next: PublishSample): Promise<Built> => {
    await git('commit', '--quiet', '--allow-empty', '-m', next.version);
    await git('tag', `v${next.version}`);
    await rm(join(root, 'dist'), { recursive: true, force: true });
    return build(root, next);
  };
  let built = await release(sample);
  return {
    root,
    environment,
    get manifest() {
      return built.manifest;
    },
    get index() {
      return built.index;
    },
    options: publishOptions,
    release: async (next) => {
      built = await release(next);
    },
    leftovers: () => readdir(join(root, 'dist/publish')).catch(() => []),
    remove: () => rm(root, { recursive: true, force: true }),
  };
}

/** The options for publishing, with the usual folders. */
export function publishOptions(
  image: string,
  more: Partial<DockerPublishOptions> = {},
): DockerPublishOptions {
  return {
    image,
    inputPath: 'dist/oci',
    binPath: 'dist/bin',
    verifyPath: 'dist/verify',
    dockerfile: 'Dockerfile.release',
    sbomPath: 'dist/sbom',
    sbom: true,
    requireSbom: false,
    outputPath: 'dist/publish',
    tagSpellings: ['plain', 'v'],
    tagLatest: 'auto',
    allowRetag: false,
    sign: false,
    requireSignature: false,
    requireFullProof: false,
    plainHttp: false,
    concurrency: 4,
    allowUncommitted: false,
    dryRun: false,
    json: false,
    ...more,
  };
}

interface Built {
  readonly manifest: Manifest;
  readonly index: Descriptor;
}

async function build(root: string, sample: PublishSample): Promise<Built> {
  const put = async (name: string, content: Uint8Array | string, mode = 0o644): Promise<void> => {
    const path = join(root, 'dist', name);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, content);
    await chmod(path, mode);
  };
  const libc = Buffer.from('a library');
  const artifacts: Manifest['platforms'] = [];
  for (const platform of sample.platforms ?? PLATFORMS) {
    const { architecture } = platformParts(platform);
    const program = executable(architecture, sample);
    await put(`bin/${executableName(NAME, platform)}`, program, 0o755);
    await put(`bin/${runtimeFolderName(platform)}/lib/libc.so.6`, libc, 0o755);
    await put(
      `sbom/${executableName(NAME, platform)}.cdx.json`,
      JSON.stringify({ bomFormat: 'CycloneDX', architecture }),
    );
    artifacts.push({
      platform,
      path: executableName(NAME, platform),
      size: program.length,
      sha256: sha256Of(program),
      elf: { type: 'exec', machine: architecture, interpreter: null, needed: [], versionNeeds: {} },
      runtime: {
        path: runtimeFolderName(platform),
        files: [
          { path: 'lib/libc.so.6', mode: '0755', size: libc.length, sha256: sha256Of(libc), package: null },
        ],
      },
      components: [],
    });
  }
  const manifest: Manifest = {
    schemaVersion: 2,
    name: NAME,
    version: sample.version,
    revision: sample.revision ?? '0123456789abcdef0123456789abcdef01234567',
    sourceDateEpoch: SOURCE_DATE,
    toolchain: { name: 'bun', version: '1.4.4' },
    components: [],
    platforms: artifacts,
  };
  await put(`bin/${MANIFEST_FILE}`, formatManifest(manifest));
  for (const { platform, sha256 } of artifacts) {
    const report = {
      schemaVersion: 1,
      platform,
      version: sample.version,
      manifestSha256: sha256Of(formatManifest(manifest)),
      executableSha256: sha256,
      result: 'passed',
      execution: { how: 'native' },
      findings: [],
    } as const;
    await put(`verify/${reportFileName(platform)}`, formatReport({ ...report, findings: [] }));
  }
  await put('../Dockerfile.release', DOCKERFILE);
  await put('../package.json', '{}');
  return { manifest, index: await pack(root, manifest) };
}

async function pack(root: string, manifest: Manifest): Promise<Descriptor> {
  const layout = join(root, 'dist/oci');
  const blobs = await createImageLayout(layout);
  const dockerfile = 'Dockerfile.release';
  const inputPath = join(root, 'dist/bin');
  const inputs = {
    manifest,
    sources: await readImageSources(root, dockerfile, { manifest, inputPath }),
    inputPath,
    historyFormat: 'moby-28',
  } as const;
  const images: Descriptor[] = [];
  const planned = planReleaseImages({ dockerfile }, manifest.platforms, inputs);
  for (const { platform, image } of planned) {
    const options = { platform, compression: 'gzip', sourceDateEpoch: SOURCE_DATE } as const;
    images.push(await assembleImage(blobs, image, options));
  }
  const index = await writeImageIndex(blobs, images);
  const expected = planned.map((each) => expectedImage(each, SOURCE_DATE));
  const record = layoutRecord(sha256Of(formatManifest(manifest)), expected, index.digest);
  await writeIndexFile(layout, index, record);
  return index;
}

/**
 * A static executable that prints its version, followed by pseudorandom bytes, determined by the architecture, version
 * and seed.
 */
function executable(
  architecture: string,
  { version, seed = '', executableSize = 3_000_000 }: PublishSample,
): Buffer {
  const key = createHash('sha256').update(`${architecture} ${version} ${seed}`).digest();
  const bytes = createCipheriv('aes-256-ctr', key, Buffer.alloc(16)).update(Buffer.alloc(executableSize));
  const code = printVersion(architecture, Buffer.from(`${version}\n`));
  elfHeader(MACHINES[architecture] ?? 0, code.length).copy(bytes);
  code.copy(bytes, ELF_HEADERS);
  return bytes;
}

const ELF_HEADERS = 64 + 56;
const BASE = 0x400000;

// https://refspecs.linuxfoundation.org/elf/gabi4+/ch4.eheader.html, with one loaded segment.
function elfHeader(machine: number, codeSize: number): Buffer {
  const header = Buffer.alloc(ELF_HEADERS);
  header.write('\x7fELF\x02\x01\x01', 'latin1');
  header.writeUInt16LE(2, 16);
  header.writeUInt16LE(machine, 18);
  header.writeUInt32LE(1, 20);
  header.writeBigUInt64LE(BigInt(BASE + ELF_HEADERS), 24);
  header.writeBigUInt64LE(64n, 32);
  for (const [index, value] of [64, 56, 1, 64].entries()) header.writeUInt16LE(value, 52 + 2 * index);
  header.writeUInt32LE(1, 64);
  header.writeUInt32LE(5, 68);
  const [offset, address, size, align] = [0, BASE, ELF_HEADERS + codeSize, 0x10000];
  for (const [index, value] of [offset, address, address, size, size, align].entries()) {
    header.writeBigUInt64LE(BigInt(value), 72 + 8 * index);
  }
  return header;
}

// write(1, text, length) and exit(0), with the text after the code.
function printVersion(architecture: string, text: Buffer): Buffer {
  if (architecture === 'arm64') {
    const words = [0xd2800020, 0x100000e1, 0xd2800002 | (text.length << 5), 0xd2800808, 0xd4000001];
    const code = Buffer.alloc(32);
    for (const [index, word] of [...words, 0xd2800000, 0xd2800ba8, 0xd4000001].entries()) {
      code.writeUInt32LE(word >>> 0, 4 * index);
    }
    return Buffer.concat([code, text]);
  }
  const code = Buffer.from('b801000000bf01000000488d3510000000ba000000000f05b83c00000031ff0f05', 'hex');
  code.writeUInt32LE(text.length, 18);
  return Buffer.concat([code, text]);
}

function sha256Of(content: string | Uint8Array): string {
  return createHash('sha256').update(content).digest('hex');
}
