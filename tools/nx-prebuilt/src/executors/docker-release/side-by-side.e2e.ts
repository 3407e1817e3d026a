import { engineEnvironment, requireEngine } from '@prebuilt/engine';
import { readImageLayout } from '@prebuilt/oci';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  type ReleaseWorkspace,
  releaseWorkspace,
  SAMPLE_DOCKERFILE,
} from '../../testing/release-workspace.ts';
import { readReleaseFacts } from './facts.ts';
import type { DockerReleaseOptions } from './options.ts';
import { planDockerRelease } from './plan.ts';
import { runDockerRelease } from './run.ts';

const engine = await engineEnvironment();
const former = { ...process.env };
beforeAll(() => {
  if (engine.available) Object.assign(process.env, engine.environment);
});
afterAll(() => {
  process.env = former;
});
beforeEach(({ skip }) => {
  requireEngine(engine, skip);
});

async function layersOf(
  workspace: ReleaseWorkspace,
  builder: DockerReleaseOptions['builder'],
): Promise<readonly (readonly string[])[]> {
  const options = workspace.options({ builder, outputPath: `dist/${builder}` });
  const facts = await readReleaseFacts(options, workspace.root);
  const plan = planDockerRelease(options, workspace.root, facts);
  await runDockerRelease(plan, facts.dockerfile, { line: () => undefined, layer: () => undefined });
  const layout = await readImageLayout(plan.outputPath);
  return layout.images.map(({ config }) => config.rootfs.diff_ids);
}

describe('releases built side by side on one engine', { timeout: 300_000 }, () => {
  // BuildKit merges steps of builds that run at the same time where their files are alike, times not counted.
  it('have each their own source date in layers of the same files', async () => {
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
