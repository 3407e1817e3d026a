import { engineEnvironment, requireEngine } from '@prebuilt/testing/engine';
import { afterAll, beforeAll, beforeEach } from 'vitest';
import { readReleaseFacts } from '../src/executors/docker-release/facts.ts';
import type { DockerReleaseOptions } from '../src/executors/docker-release/options.ts';
import { type DockerReleasePlan, planDockerRelease } from '../src/executors/docker-release/plan.ts';
import {
  type DockerRelease,
  type ReleaseProgress,
  runDockerRelease,
} from '../src/executors/docker-release/run.ts';
import { dockerfileOf } from '../src/image/release-images.ts';
import type { ReleaseWorkspace } from './release-workspace.ts';

/** What a test may do between the steps of a release. */
export interface ReleaseChanges {
  readonly plan?: (plan: DockerReleasePlan) => DockerReleasePlan;
  readonly dockerfile?: Buffer;
  readonly progress?: Partial<ReleaseProgress>;
}

/** Runs docker-release's steps in this process, without the executor's words and its way to report errors. */
export async function release(
  workspace: ReleaseWorkspace,
  more: Partial<DockerReleaseOptions> = {},
  { plan: change = (plan) => plan, dockerfile, progress = {} }: ReleaseChanges = {},
): Promise<{ readonly plan: DockerReleasePlan; readonly image: DockerRelease }> {
  const options = workspace.options(more);
  const read = await readReleaseFacts(options, workspace.root);
  const sources = dockerfile === undefined ? read.sources : { ...read.sources, dockerfile };
  const facts = { ...read, sources };
  const plan = change(planDockerRelease(options, workspace.root, facts));
  const silent: ReleaseProgress = { line: () => undefined, layer: () => undefined };
  return {
    plan,
    image: await runDockerRelease(plan, dockerfileOf(sources, facts.manifest.manifest), {
      ...silent,
      ...progress,
    }),
  };
}

/** Points every test of a file at a real engine; where none runs they are skipped with the reason, and fail in CI. */
export async function useRealEngine(): Promise<void> {
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
}
