import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  executableName,
  formatManifest,
  formatReport,
  MANIFEST_FILE,
  type Manifest,
  parsePlatform,
  reportFileName,
  runtimeFolderName,
} from '@prebuilt/nx/artifacts';

/** A workspace with a built and verified program, ready for docker-release. */
export interface SizedRelease extends AsyncDisposable {
  readonly root: string;
  /** Options for docker-release. */
  readonly options: Readonly<Record<string, unknown>>;
}

const NAME = 'app';
const DOCKERFILE = `FROM scratch
ARG TARGETARCH TARGETVARIANT
COPY --chmod=755 ${NAME}-linux-\${TARGETARCH}\${TARGETVARIANT} /${NAME}
USER 65534
ENTRYPOINT ["/${NAME}"]
`;

/** Makes a workspace in a temporary folder, with the same executable for every platform. */
export async function sizedRelease(
  platforms: readonly string[],
  executable: Uint8Array,
): Promise<SizedRelease> {
  const root = await mkdtemp(join(tmpdir(), 'bench-release-'));
  const write = (path: string, content: string | Uint8Array, mode = 0o644) =>
    writeFile(join(root, path), content, { mode });
  const sha256 = sha256Of(executable);
  const artifacts: Manifest['platforms'] = [];
  for (const platform of platforms.map(parsePlatform)) {
    const runtime = runtimeFolderName(platform);
    await mkdir(join(root, 'dist/bin', runtime), { recursive: true });
    await write(`dist/bin/${executableName(NAME, platform)}`, executable, 0o755);
    artifacts.push({
      platform,
      path: executableName(NAME, platform),
      size: executable.byteLength,
      sha256,
      elf: { type: 'exec', machine: 'x86_64', interpreter: null, needed: [], versionNeeds: {} },
      runtime: { path: runtime, files: [] },
      components: [],
    });
  }
  const manifest = formatManifest({
    schemaVersion: 2,
    name: NAME,
    version: '1.2.3',
    revision: null,
    sourceDateEpoch: 0,
    toolchain: { name: 'import', version: 'unknown' },
    components: [],
    platforms: artifacts,
  });
  await write(`dist/bin/${MANIFEST_FILE}`, manifest);
  await mkdir(join(root, 'dist/verify'));
  for (const { platform } of artifacts) {
    const report = formatReport({
      schemaVersion: 1,
      platform,
      manifestSha256: sha256Of(manifest),
      executableSha256: sha256,
      version: '1.2.3',
      result: 'passed',
      execution: { how: 'native' },
      findings: [],
    });
    await write(`dist/verify/${reportFileName(platform)}`, report);
  }
  await write('Dockerfile.release', DOCKERFILE);
  await write('package.json', '{}');
  return {
    root,
    options: {
      builder: 'daemonless',
      compression: 'gzip',
      dockerfile: 'Dockerfile.release',
      inputPath: 'dist/bin',
      verifyPath: 'dist/verify',
      outputPath: 'dist/oci',
    },
    [Symbol.asyncDispose]: () => rm(root, { recursive: true, force: true }),
  };
}

function sha256Of(content: string | Uint8Array): string {
  return createHash('sha256').update(content).digest('hex');
}
