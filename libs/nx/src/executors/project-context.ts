import type { ExecutorContext } from '@nx/devkit';
import { changelogFiles, type ReleaseConfiguration, tagPatternOf } from '../version/release-config.ts';
import type { TagPattern } from '../version/tag-pattern.ts';

/** What an executor knows about the project it runs for; tests and scripts pass only the root. */
export type ProjectContext = Pick<ExecutorContext, 'root'> & Partial<ExecutorContext>;

/** The pattern of the project's release tags, as nx.json configures it. Throws `INVALID_OPTIONS`. */
export function tagPatternFor(context: ProjectContext): TagPattern {
  return tagPatternOf(releaseOf(context), releasedProject(context));
}

/** The changelog files that `nx release` writes for the project, relative to the workspace root. */
export function changelogFilesFor(context: ProjectContext): readonly string[] {
  return changelogFiles(releaseOf(context), releasedProject(context));
}

function releaseOf({ nxJsonConfiguration }: ProjectContext): ReleaseConfiguration | undefined {
  return nxJsonConfiguration?.release as ReleaseConfiguration | undefined;
}

function releasedProject(context: ProjectContext) {
  const project = projectOf(context);
  return { name: context.projectName ?? '', root: project?.root ?? '', tags: project?.tags ?? [] };
}

/**
 * The command that runs another step for the same project, such as `npx nx run server:verify`. It names the target that
 * runs the step, whatever that is called in this workspace.
 */
export function commandOf(step: string, context: ProjectContext): string {
  return `npx nx run ${context.projectName ?? '<project>'}:${targetOf(step, context) ?? step}`;
}

/** The name of the project's target for a step of the pipeline; undefined if there is none. */
export function targetOf(step: string, context: ProjectContext): string | undefined {
  return Object.entries(projectOf(context)?.targets ?? {}).find(([, { executor, options }]) => {
    if (step === 'github-draft') return options?.stage === 'draft';
    if (step === 'github-release' && options?.stage === 'draft') return false;
    return executor?.endsWith(`:${step}`);
  })?.[0];
}

/** The configured options of one of the project's targets; empty if there is no such target. */
export function optionsOf(
  target: string | undefined,
  context: ProjectContext,
): Readonly<Record<string, unknown>> {
  return (target === undefined ? undefined : projectOf(context)?.targets?.[target]?.options) ?? {};
}

/**
 * Replaces `{run STEP}` in a hint with the command for that step in the user's own workspace, and `{run}` with the
 * command for the target that failed: `nx release`, which may have started it, does not pass options on.
 */
export function fillCommands(hint: string, context: ProjectContext): string {
  const { projectName = '<project>', targetName = '<target>' } = context;
  return hint
    .replaceAll('{run}', () => `npx nx run ${projectName}:${targetName}`)
    .replaceAll(/\{run ([a-z-]+)\}/g, (_, step: string) => commandOf(step, context));
}

/**
 * The folders of the project and of every project that it depends on, relative to the workspace root. Empty if the
 * graph is unknown or the project is the whole workspace.
 */
export function sourceFolders({ projectName, projectGraph }: ProjectContext): readonly string[] {
  if (projectName === undefined || projectGraph === undefined) return [];
  const found = new Set<string>();
  const waiting = [projectName];
  for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
    if (found.has(name) || projectGraph.nodes[name] === undefined) continue;
    found.add(name);
    waiting.push(...(projectGraph.dependencies[name] ?? []).map(({ target }) => target));
  }
  const folders = [...found].flatMap((name) => projectGraph.nodes[name]?.data.root ?? []).sort();
  return folders.includes('.') ? [] : folders;
}

function projectOf({ projectName, projectsConfigurations }: ProjectContext) {
  return projectName === undefined ? undefined : projectsConfigurations?.projects[projectName];
}
