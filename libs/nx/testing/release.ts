import { writeFile } from 'node:fs/promises';
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
import type { BaseReading } from '../src/image/base/read-bases.ts';
import { type DockerFacts, readDockerFacts } from '../src/image/builder-facts.ts';
import { dockerfileOf } from '../src/image/release-images.ts';
import type { ReleaseWorkspace } from './release-workspace.ts';

/** A test's changes between the steps of a release. */
export interface ReleaseChanges {
  readonly plan?: (plan: DockerReleasePlan) => DockerReleasePlan;
  readonly dockerfile?: Buffer;
  readonly progress?: Partial<ReleaseProgress>;
  /** How to read bases. */
  readonly reading?: BaseReading;
}

/** Runs docker-release's steps in this process, without the executor's output and error reporting. */
export async function release(
  workspace: ReleaseWorkspace,
  more: Partial<DockerReleaseOptions> = {},
  { plan: change = (plan) => plan, dockerfile, progress = {}, reading }: ReleaseChanges = {},
): Promise<{ readonly plan: DockerReleasePlan; readonly image: DockerRelease }> {
  const given = dockerfile === undefined ? {} : { dockerfile: 'Dockerfile.given' };
  if (dockerfile !== undefined) await writeFile(workspace.path('Dockerfile.given'), dockerfile);
  // Words the history like the engine, so that both builders must give the same image ID.
  const { engine } = await askDockerOnce('daemonless', undefined);
  const historyFormat = Number.parseInt(engine?.version ?? '28', 10) < 28 ? 'moby-26' : 'moby-28';
  const options = workspace.options({ historyFormat, ...more, ...given });
  const bases = { progress: () => undefined, ...reading };
  const facts = await readReleaseFacts(options, workspace.root, bases, askDockerOnce);
  const plan = change(planDockerRelease(options, workspace.root, facts));
  const silent: ReleaseProgress = { line: () => undefined, layer: () => undefined };
  return {
    plan,
    image: await runDockerRelease(
      plan,
      { dockerfile: dockerfileOf(facts.sources, facts.manifest.manifest), bases: facts.bases },
      { ...silent, ...progress },
    ),
  };
}

// Each question starts the docker client twice, and the answers are the same for the whole file.
const answers = new Map<string, Promise<DockerFacts>>();
const askDockerOnce: typeof readDockerFacts = (wanted, name) => {
  const { DOCKER_HOST, DOCKER_CONFIG, PATH } = process.env;
  const question = JSON.stringify([wanted, name, DOCKER_HOST, DOCKER_CONFIG, PATH]);
  const answer = answers.get(question) ?? readDockerFacts(wanted, name);
  answers.set(question, answer);
  return answer;
};

/** Makes every test in a file use a real engine. If none runs, the tests are skipped with the reason, or fail in CI. */
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
