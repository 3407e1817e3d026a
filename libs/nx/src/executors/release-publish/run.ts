import { createRequire } from 'node:module';
import { join } from 'node:path';
import { type ExecutorContext, runExecutor } from '@nx/devkit';
import { execa } from 'execa';
import { PrebuiltError } from '../../errors.ts';
import type { Command } from '../../process/command.ts';
import type { ExecutorOutcome } from '../failures.ts';
import type { ReleasePublishPlan } from './plan.ts';

/** The tools that carry out a plan. */
export interface ReleasePublishTools {
  /** Runs a program in the workspace root, passing its output through. Returns whether it succeeded. */
  program(command: Command, env: Readonly<Record<string, string>>): Promise<boolean>;
  /** Runs one of the project's targets without its dependencies. */
  target(target: string, options: { readonly dryRun: boolean }): Promise<ExecutorOutcome>;
}

/** The tools for an Nx run. */
export function releasePublishTools(context: ExecutorContext): ReleasePublishTools {
  return {
    async program({ file, args }, env) {
      const stdio = ['ignore', 'inherit', 'inherit'] as const;
      const { failed } = await execa(file, [...args], { cwd: context.root, env, stdio, reject: false });
      return !failed;
    },
    async target(target, options) {
      const { projectName = '' } = context;
      const results = await runExecutor({ project: projectName, target }, options, {
        ...context,
        targetName: target,
      });
      let outcome: ExecutorOutcome = { success: false };
      for await (const result of results) outcome = result;
      return outcome;
    },
  };
}

/**
 * Carries out the plan. A separate Nx run builds everything first, because `nx release` skips a target's dependencies
 * if projects or groups are given. Throws `RELEASE_INCOMPLETE` at the first step that fails. Safe to run again.
 */
export async function runReleasePublish(
  plan: ReleasePublishPlan,
  root: string,
  { program, target }: ReleasePublishTools,
): Promise<void> {
  if (plan.action === 'leave') return;
  const { project, version, tag, pushTo } = plan;
  const required = (outcome: ExecutorOutcome, what: string): void =>
    requireSuccess(outcome, what, plan.dryRun);
  const env = { RELEASE_VERSION: version };
  const nx = createRequire(join(root, 'package.json')).resolve('nx/bin/nx.js');
  const args = [nx, 'run-many', `--targets=${plan.build.join(',')}`, `--projects=${project}`];
  const build = { file: process.execPath, args: [...args, '--output-style=static'] };
  required({ success: await program(build, env) }, `build ${project}`);
  if (pushTo !== undefined) {
    const ref = `refs/tags/${tag}`;
    const push = { file: 'git', args: ['push', '--', pushTo, `${ref}:${ref}`] };
    required({ success: await program(push, env) }, `push the tag ${tag}`);
  }
  // Targets read the version from the environment, as they do when run by hand.
  const former = process.env.RELEASE_VERSION;
  process.env.RELEASE_VERSION = version;
  try {
    for (const { target: name, dryRun } of plan.steps) {
      required(await target(name, { dryRun }), `${project}:${name}`);
    }
  } finally {
    if (former === undefined) delete process.env.RELEASE_VERSION;
    else process.env.RELEASE_VERSION = former;
  }
}

// A rerun of `nx release publish` can't succeed after these; their own hints, just above, say what to do instead.
const SAY_IT_THEMSELVES: ReadonlySet<string> = new Set(['TAG_EXISTS', 'RELEASE_CONFLICT', 'UNCOMMITTED']);

function requireSuccess({ success, failure }: ExecutorOutcome, what: string, dryRun: boolean): void {
  if (success) return;
  const message = `${what}: failed, see above`;
  const explained = failure !== undefined && SAY_IT_THEMSELVES.has(failure.code);
  throw new PrebuiltError(
    'RELEASE_INCOMPLETE',
    message,
    explained ? {} : { hint: dryRun ? AGAIN : CONTINUE },
  );
}

const AGAIN = 'In a dry run, nothing is tagged or sent. Fix it, then try the same command again.';
const CONTINUE =
  'Fix it, then continue where it stopped: npx nx release publish. What is already published and identical is kept.';
