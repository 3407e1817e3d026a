import type { ExecutorContext } from '@nx/devkit';
import { tagPatternOf } from '../version/release-config.ts';
import type { TagPattern } from '../version/tag-pattern.ts';

/** What an executor is told of the project it runs for; tests and scripts give the root alone. */
export type ProjectContext = Pick<ExecutorContext, 'root'> & Partial<ExecutorContext>;

/** The pattern of the project's release tags, as nx.json configures it. Throws `INVALID_OPTIONS`. */
export function tagPatternFor(context: ProjectContext): TagPattern {
  const project = projectOf(context);
  return tagPatternOf(context.nxJsonConfiguration?.release as Parameters<typeof tagPatternOf>[0], {
    name: context.projectName ?? '',
    root: project?.root ?? '',
    tags: project?.tags ?? [],
  });
}

/**
 * The command that runs another step of the same project, such as `npx nx run server:verify`: the target whose executor
 * does the step, whatever it is called in this workspace.
 */
export function commandOf(step: string, context: ProjectContext): string {
  const targets = Object.entries(projectOf(context)?.targets ?? {});
  const does = ([, { executor, options }]: (typeof targets)[number]) =>
    executor?.endsWith(`:${step}`) || (step === 'github-draft' && options?.stage === 'draft');
  const [target] = targets.find(does) ?? [step];
  return `npx nx run ${context.projectName ?? '<project>'}:${target}`;
}

/** A hint in which `{run STEP}` is the command of that step in the user's own workspace. */
export function fillCommands(hint: string, context: ProjectContext): string {
  return hint.replaceAll(/\{run ([a-z-]+)\}/g, (_, step: string) => commandOf(step, context));
}

/**
 * The folders of the project and of every project that it depends on, relative to the workspace's root; none where the
 * graph is not known, or where the project is the whole workspace.
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
