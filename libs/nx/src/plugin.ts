import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename, dirname, join, posix } from 'node:path';
import type { CreateNodes, CreateNodesContext, CreateNodesResult, PostTasksExecution } from '@nx/devkit';
import type { Configuration } from './configuration/definition.ts';
import type { PluginOptions } from './configuration/plugin-options.ts';
import { type Read, readConfiguration, readPluginOptions } from './configuration/read.ts';
import { RELEASE_TAG } from './configuration/target-names.ts';
import { inferTargets, outputFolders, programName, refusedTargets } from './configuration/targets.ts';
import { projectFolder, resolveToolchain } from './configuration/toolchain.ts';
import { PACKAGE } from './package.ts';
import { namesVersionActions, type ReleaseConfiguration } from './version/release-config.ts';

/**
 * Infers the targets of every project with a prebuilt.json. An invalid file breaks only its own project, whose targets
 * then fail with all problems. If two projects have the same output folder, both are refused.
 * https://nx.dev/docs/extending-nx/project-graph-plugins
 */
export const createNodes: CreateNodes<unknown> = [
  '**/prebuilt.json',
  async (files, given, context) => {
    const options = readPluginOptions(given);
    const projects = await Promise.all(files.map((file) => readProject(file, context)));
    const clashes = findClashes(projects);
    return projects.map(({ file, root, ...project }) => [
      file,
      nodeOf({ file, root, ...project }, options, clashes.get(root) ?? [], context),
    ]);
  },
];

/** Nx 22's name for `createNodes`. */
export const createNodesV2 = createNodes;

interface Project {
  /** Relative to the workspace root, like the file. */
  readonly root: string;
  readonly file: string;
  readonly configuration: Read<Configuration>;
  /** The name in project.json or package.json; undefined if there is none. */
  readonly name: string | undefined;
  readonly tags: readonly string[];
  /** Whether a package.json contains its version, which `nx release` then updates. */
  readonly versioned: boolean;
}

async function readProject(file: string, { workspaceRoot }: CreateNodesContext): Promise<Project> {
  const root = dirname(file);
  const folder = join(workspaceRoot, root);
  const [configuration, project, manifest] = await Promise.all([
    readConfiguration(join(workspaceRoot, file)),
    readIdentity(join(folder, 'project.json')),
    readIdentity(join(folder, 'package.json')),
  ]);
  return {
    root,
    file,
    configuration,
    name: project.name ?? manifest.name,
    tags: [...project.tags, ...manifest.tags, RELEASE_TAG],
    versioned: manifest.version !== undefined,
  };
}

async function readIdentity(file: string): Promise<{
  readonly name?: string | undefined;
  readonly version?: string | undefined;
  readonly tags: readonly string[];
}> {
  try {
    const { name, version, tags, nx } = JSON.parse(await readFile(file, 'utf8'));
    return { name: nx?.name ?? name, version, tags: nx?.tags ?? tags ?? [] };
  } catch {
    // Nx itself reports a file that it can't read.
    return { tags: [] };
  }
}

function nodeOf(
  { root, file, configuration, name, tags, versioned }: Project,
  options: Read<PluginOptions>,
  clashes: readonly string[],
  context: CreateNodesContext,
): CreateNodesResult {
  const known = name ?? basename(join(context.workspaceRoot, root));
  const targets = () => {
    const defaults = options.ok ? options.value : EMPTY_OPTIONS;
    const refuse = (problems: readonly string[], where = file) => refusedTargets(where, problems, defaults);
    if (!options.ok) return refuse(options.problems, 'nx.json, plugin options');
    if (!configuration.ok) return refuse(configuration.problems);
    if (clashes.length > 0) return refuse(clashes);
    const program = programName(configuration.value, known);
    if (!/^[a-z0-9][a-z0-9._-]{0,100}$/.test(program)) {
      return refuse([
        `name: expected a name for the program, since the project’s name ${JSON.stringify(known)} isn't a valid file name`,
      ]);
    }
    const toolchain = resolveToolchain(
      configuration.value.toolchain,
      projectFolder(join(context.workspaceRoot, root)),
      root,
    );
    if (!toolchain.ok) return refuse(toolchain.problems);
    const namedInputs = new Set(Object.keys(context.nxJsonConfiguration.namedInputs ?? {}));
    const dockerfile = posix.join(root, 'Dockerfile.release');
    const facts = {
      name: known,
      root,
      toolchain: toolchain.value,
      dockerfile: existsSync(join(context.workspaceRoot, dockerfile)) ? dockerfile : undefined,
      sources: toolchain.value.inputs(namedInputs),
    };
    return inferTargets(configuration.value, facts, options.value);
  };
  const release = context.nxJsonConfiguration.release as ReleaseConfiguration | undefined;
  const ownVersioning = versioned || namesVersionActions(release, { name: known, root, tags });
  return {
    projects: {
      [root]: {
        // Without a project.json or package.json, nothing else sets the project's name.
        ...(name === undefined && { name: known }),
        tags: [RELEASE_TAG],
        ...(!ownVersioning && { release: { version: VERSIONING } }),
        targets: { ...targets() },
      },
    },
  };
}

/** How `nx release` finds a program's version, which isn't in any file. */
const VERSIONING = {
  versionActions: `${PACKAGE.name}/version-actions`,
  currentVersionResolver: 'git-tag',
} as const;

const EMPTY_OPTIONS: PluginOptions = { targetNames: {}, inputs: [] };

/** The conflicts with other projects' output folders, by project root. */
function findClashes(projects: readonly Project[]): ReadonlyMap<string, readonly string[]> {
  const owners = new Map<string, Project>();
  const clashes = new Map<string, string[]>();
  const tell = (one: Project, other: Project, folder: string): void => {
    const names = [one, other].map(({ name, root }) => name ?? root);
    const problem = `output: ${folder} would be written by both ${names.join(' and ')}; give each its own "output"`;
    for (const { root } of [one, other]) {
      const told = clashes.get(root) ?? [];
      if (told.length === 0) clashes.set(root, [problem]);
    }
  };
  const claimed: { readonly project: Project; readonly folder: string }[] = [];
  for (const project of projects) {
    if (!project.configuration.ok) continue;
    for (const folder of outputFolders(project.configuration.value, project.root)) {
      const owner = owners.get(folder);
      if (owner !== undefined && owner !== project) tell(owner, project, folder);
      else owners.set(folder, project);
      claimed.push({ project, folder });
    }
  }
  for (const { project, folder } of claimed) {
    for (let above = posix.dirname(folder); above !== '.'; above = posix.dirname(above)) {
      const owner = owners.get(above);
      if (owner !== undefined && owner !== project) tell(owner, project, folder);
    }
  }
  return clashes;
}

const summarizeRun: PostTasksExecution = async (_, { taskResults }) => {
  // Loaded lazily, since every Nx run waits for this file to load.
  const [{ writeJobSummary }, { summarizeTasks }] = await Promise.all([
    import('./github/job-summary.ts'),
    import('./github/task-summary.ts'),
  ]);
  const summary = summarizeTasks(Object.values(taskResults).map(({ task, status }) => ({ ...task, status })));
  // Nx's own report doesn't end with an empty line.
  if (summary !== undefined) await writeJobSummary(`\n${summary}`);
};

/**
 * Called by Nx at the end of a run: adds to a GitHub Actions job summary which tasks ran and which came from a cache,
 * since no executor runs for the latter. Undefined elsewhere: for a plugin that defines it, Nx's daemon starts a
 * process at the end of every run of any target, and that takes longer than a cached run. CI turns the daemon off; if a
 * job turns it on, there is no summary, since the daemon doesn't know the job's environment (seen with 23.2.1).
 * https://nx.dev/docs/extending-nx/task-running-lifecycle
 */
export const postTasksExecution = process.env.GITHUB_STEP_SUMMARY ? summarizeRun : undefined;
