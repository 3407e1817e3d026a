import { describe, expect, it } from 'vitest';
import { sampleManifest, withWorker } from '../../testing/sample-manifest.ts';
import { executableName, type Manifest, runtimeFolderName } from '../artifacts/manifest.ts';
import { PLATFORMS } from '../artifacts/platform.ts';
import { expectedImage, planReleaseImages, type ReleaseImage } from './release-images.ts';

function plan(manifest: Manifest): readonly ReleaseImage[] {
  return planReleaseImages({}, manifest.platforms, {
    manifest,
    sources: {
      dockerfile: undefined,
      packageFacts: { repository: undefined, license: undefined },
      texts: { lists: new Map() },
    },
    inputPath: '/bin',
    historyFormat: 'moby-28',
  });
}

describe('a release’s images without a Dockerfile', () => {
  it('a release’s images without a Dockerfile contain every executable, and start the main one', () => {
    for (const release of plan(withWorker(sampleManifest))) {
      const { layers, config } = expectedImage(release, 0);
      const files = layers.flat().filter(({ type }) => type === 'file');
      expect(files).toContainEqual(
        expect.objectContaining({ path: 'worker', mode: 0o755, sha256: 'd'.repeat(64) }),
      );
      expect(files).toContainEqual(
        expect.objectContaining({ path: 'mount-monitor', sha256: 'a'.repeat(64) }),
      );
      expect(config.entrypoint).toEqual(['/mount-monitor']);
    }
  });

  it('a release’s images without a Dockerfile cover every platform under its Docker name', () => {
    const [artifact] = sampleManifest.platforms;
    if (artifact === undefined) throw new Error('no platform');
    const platforms = PLATFORMS.map((platform) => ({
      ...artifact,
      platform,
      path: executableName(sampleManifest.name, platform),
      runtime: { path: runtimeFolderName(platform), files: [] },
    }));
    const images = plan({ ...sampleManifest, platforms }).map((each) => expectedImage(each, 0).platform);
    expect(images).toEqual([
      { os: 'linux', architecture: 'amd64' },
      { os: 'linux', architecture: 'arm64' },
      { os: 'linux', architecture: 'arm', variant: 'v7' },
      { os: 'linux', architecture: 'arm', variant: 'v6' },
      { os: 'linux', architecture: '386' },
      { os: 'linux', architecture: 'ppc64le' },
      { os: 'linux', architecture: 'riscv64' },
      { os: 'linux', architecture: 's390x' },
    ]);
  });
});
