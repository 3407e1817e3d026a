import { executableName, type Manifest, parsePlatform } from '../src/artifacts/index.ts';

const libc = { name: 'libc6', version: '2.36-9+deb12u14' };

/** A manifest for two platforms, as written by a tagged build. */
export const sampleManifest: Manifest = {
  schemaVersion: 2,
  name: 'mount-monitor',
  version: '1.2.3',
  revision: '0123456789abcdef0123456789abcdef01234567',
  sourceDateEpoch: 1_700_000_000,
  toolchain: { name: 'bun', version: '1.4.4' },
  components: [{ kind: 'library', purl: 'pkg:npm/valibot@1.5.0', license: 'MIT' }],
  platforms: [
    platformOf('amd64', 'x86_64', '/lib64/ld-linux-x86-64.so.2', 'x86_64-linux-gnu'),
    platformOf('arm64', 'aarch64', '/lib/ld-linux-aarch64.so.1', 'aarch64-linux-gnu'),
  ],
};

/** A copy of a manifest with a second executable, `worker`, on every platform. */
export function withWorker(manifest: Manifest): Manifest {
  return {
    ...manifest,
    platforms: manifest.platforms.map((artifact) => ({
      ...artifact,
      others: [
        {
          name: 'worker',
          path: executableName('worker', artifact.platform),
          size: 5,
          sha256: 'd'.repeat(64),
          elf: artifact.elf,
        },
      ],
    })),
  };
}

function platformOf(
  architecture: string,
  machine: string,
  interpreter: string,
  triplet: string,
): Manifest['platforms'][number] {
  const owner = { ...libc, architecture };
  return {
    platform: parsePlatform(`linux/${architecture}`),
    path: `mount-monitor-linux-${architecture}`,
    size: 4,
    sha256: 'a'.repeat(64),
    elf: {
      type: 'exec',
      machine,
      interpreter,
      needed: ['libc.so.6'],
      versionNeeds: { 'libc.so.6': ['GLIBC_2.17'] },
    },
    runtime: {
      path: `runtime-linux-${architecture}`,
      files: [
        { path: interpreter.slice(1), mode: '0755', size: 2, sha256: 'b'.repeat(64), package: owner },
        { path: `lib/${triplet}/libc.so.6`, mode: '0755', size: 3, sha256: 'c'.repeat(64), package: owner },
      ],
    },
    components: [
      {
        kind: 'framework',
        purl: `pkg:npm/%40oven/bun-linux-${architecture}@1.4.4`,
        integrity: 'sha512-AAAA',
      },
    ],
  };
}
