import { readImageLayout } from '@prebuilt/oci';
import { describe, expect, it } from 'vitest';
import type { DockerReleaseOptions } from '../src/executors/docker-release/options.ts';
import { release, useRealEngine } from '../testing/release.ts';
import { type ReleaseWorkspace, releaseWorkspace, SAMPLE_DOCKERFILE } from '../testing/release-workspace.ts';

await useRealEngine();

async function layersOf(
  workspace: ReleaseWorkspace,
  builder: DockerReleaseOptions['builder'],
): Promise<readonly (readonly string[])[]> {
  const { plan } = await release(workspace, { builder, outputPath: `dist/${builder}` });
  const layout = await readImageLayout(plan.outputPath);
  return layout.images.map(({ config }) => config.rootfs.diff_ids);
}

describe('concurrent releases on one engine', { timeout: 300_000 }, () => {
  // BuildKit merges steps of concurrent builds if their files are equal except for times.
  it('concurrent releases on one engine each keep their own source date in layers with the same files', async () => {
    const content = `libc ${process.hrtime.bigint()} ${'x'.repeat(1_000_000)}`;
    const workspaces = await Promise.all(
      [1_600_000_000, 1_500_000_000, 1_700_000_000, 1_400_000_000].map((sourceDateEpoch) =>
        releaseWorkspace({
          dockerfile: SAMPLE_DOCKERFILE,
          sourceDateEpoch,
          runtime: { 'lib/libc.so.6': { content, mode: '0755' } },
        }),
      ),
    );
    try {
      const expected = await Promise.all(workspaces.map((workspace) => layersOf(workspace, 'daemonless')));
      expect(new Set(expected.map(([first]) => first?.[0])).size).toBe(workspaces.length);
      for (let round = 0; round < 3; round += 1) {
        const found = await Promise.all(workspaces.map((workspace) => layersOf(workspace, 'buildx')));
        expect(found).toEqual(expected);
      }
    } finally {
      await Promise.all(workspaces.map((workspace) => workspace.remove()));
    }
  });
});
