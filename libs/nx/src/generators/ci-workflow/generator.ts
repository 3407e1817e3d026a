import { posix } from 'node:path';
import { formatFiles, readJson, readNxJson, type Tree } from '@nx/devkit';
import { parseImageRepository } from '@prebuilt/oci';
import { DEFAULT_PLATFORMS, parsePlatforms } from '../../artifacts/platform.ts';
import type { PluginOptions } from '../../configuration/plugin-options.ts';
import { shown } from '../../configuration/problems.ts';
import { parseConfiguration, readPluginOptions } from '../../configuration/read.ts';
import { TARGETS } from '../../configuration/target-names.ts';
import { outputOf, programName } from '../../configuration/targets.ts';
import { PrebuiltError } from '../../errors.ts';
import { describeFailure } from '../../executors/failures.ts';
import { LOCK_FILE, parseLock } from '../../lock/lock.ts';
import { PACKAGE } from '../../package.ts';
import { detectToolchain } from '../../toolchains/index.ts';
import { tagPatternOf } from '../../version/release-config.ts';
import { allProjects } from '../projects.ts';
import { projectFolder } from '../tree-folder.ts';
import { checkWorkflow, type MacBuild } from './check-workflow.ts';
import { commandsOf, type PackageManager } from './commands.ts';
import type { CiWorkflowOptions } from './options.ts';
import type { ReleasedProgram } from './release-settings.ts';
import { releaseWorkflow } from './release-workflow.ts';

const FOLDER = '.github/workflows';
/** The toolchains that can compile for Linux on a Mac without any other tools. */
const ON_MACS = ['bun', 'go'];

/**
 * `nx g @prebuilt/nx:ci-workflow`: writes a release workflow for each program (`release.yml` if there is only one,
 * otherwise `release-<program>.yml`), and `ci.yml`. Replaces existing ones. Options: schema.json.
 */
export default async function ciWorkflowGenerator(
  tree: Tree,
  given: Partial<CiWorkflowOptions>,
): Promise<void> {
  try {
    await writeWorkflows(tree, given);
  } catch (error) {
    // Nx prints only an error's message.
    const lines = describeFailure(error, { root: tree.root });
    throw lines === undefined ? error : new Error(lines.join('\n'), { cause: error });
  }
  if (given.skipFormat !== true) await formatFiles(tree);
}

async function writeWorkflows(tree: Tree, given: Partial<CiWorkflowOptions>): Promise<void> {
  const {
    registry = 'ghcr',
    runners = 'native',
    test = 'npx nx run-many -t lint typecheck test',
    affected = 'npx nx affected -t lint typecheck test build-binaries verify docker-release',
    cache = 'github',
    container,
    engineFolder,
    environment,
    sparse,
    macos = true,
  } = given;
  if (engineFolder !== undefined && container === undefined)
    throw new PrebuiltError('INVALID_OPTIONS', 'engineFolder: expected a "container" as well, found none');
  const nxJson = readNxJson(tree);
  const cloud =
    nxJson?.neverConnectToCloud !== true && (nxJson?.nxCloudId ?? nxJson?.nxCloudAccessToken) !== undefined;
  if (cache === 'nx-cloud' && !cloud)
    throw new PrebuiltError(
      'INVALID_OPTIONS',
      'cache: expected nx.json to connect to Nx Cloud, found that it does not',
      {
        hint: 'Connect the workspace with npx nx connect, or choose another cache.',
      },
    );
  const programs = await releasedPrograms(tree, given.projects);
  for (const { project, repositories } of programs) {
    if (registry !== 'ghcr' && repositories?.length === 0)
      throw new PrebuiltError(
        'INVALID_OPTIONS',
        `${project}: expected the image's repository for the registry ${registry}, found none`,
        { hint: 'Set image.repository in its prebuilt.json, or the plugin’s repository option in nx.json.' },
      );
    if (registry === 'ghcr') warnAboutLogin(project, repositories ?? []);
  }
  const commands = commandsOf(packageManagerOf(tree), given);
  const settings = { container, engineFolder };
  for (const program of programs) {
    const alone = programs.length === 1;
    tree.write(
      posix.join(FOLDER, alone ? 'release.yml' : `release-${program.program}.yml`),
      releaseWorkflow(program, {
        ...settings,
        registry,
        runners,
        test,
        environment,
        sparse,
        alone,
        commands,
        cloud,
      }),
    );
  }
  tree.write(
    posix.join(FOLDER, 'ci.yml'),
    checkWorkflow({
      ...settings,
      affected,
      cache,
      branch: nxJson?.defaultBase ?? 'main',
      cacheFolder: nxJson?.cacheDirectory,
      commands,
      mac: macos ? macBuild(tree, programs) : undefined,
    }),
  );
}

// The job's own token is only for ghcr.io.
function warnAboutLogin(project: string, repositories: readonly string[]): void {
  const registries = repositories.map((repository) => parseImageRepository(repository).registry);
  const other = [...new Set(registries)].find((each) => each !== 'ghcr.io');
  if (other === undefined) return;
  console.warn(
    [
      `${project}: its image goes to ${other}, which the job's own token can't log in to.`,
      `  In the repository on GitHub, set the variables REGISTRY (${other}) and REGISTRY_USERNAME, and the secret REGISTRY_PASSWORD; or choose another login with --registry.`,
    ].join('\n'),
  );
}

function macBuild(tree: Tree, programs: readonly ReleasedProgram[]): MacBuild | undefined {
  const portable = programs.filter(({ toolchain }) => toolchain !== undefined && ON_MACS.includes(toolchain));
  const [first] = portable;
  if (first === undefined) return undefined;
  const text = tree.read(LOCK_FILE, 'utf8');
  const { sysroots = {}, data = {} } = text === null ? {} : parseLock(text, LOCK_FILE);
  return {
    projects: portable.map(({ project }) => project),
    targets: ['build-binaries', 'verify'].map(first.target),
    packages: Object.keys({ ...sysroots, ...data }).length > 0,
  };
}

/** Every project with a prebuilt.json, or only the named ones. Throws `INVALID_OPTIONS`, `CONFIGURATION`. */
async function releasedPrograms(
  tree: Tree,
  names: readonly string[] | undefined,
): Promise<readonly ReleasedProgram[]> {
  const options = pluginOptionsOf(tree);
  const found = [...(await allProjects(tree))]
    .filter(([, { root }]) => tree.exists(posix.join(root, 'prebuilt.json')))
    .filter(([name]) => names === undefined || names.includes(name))
    .toSorted(([a], [b]) => (a < b ? -1 : 1));
  const missing = names?.filter((name) => !found.some(([each]) => each === name)) ?? [];
  if (missing.length > 0 || found.length === 0)
    throw new PrebuiltError(
      'INVALID_OPTIONS',
      `projects: expected projects with a prebuilt.json, found ${missing.length > 0 ? shown(missing.join(', ')) : 'none'}`,
      { hint: `Create one with nx g ${PACKAGE.name}:configuration PROJECT.` },
    );
  return found.map(([project, { root, tags = [] }]) => {
    const file = posix.join(root, 'prebuilt.json');
    const read = parseConfiguration(tree.read(file, 'utf8') ?? '');
    if (!read.ok) throw new PrebuiltError('CONFIGURATION', `${file}: ${read.problems.join('\n  ')}`);
    const configuration = read.value;
    const program = programName(configuration, project);
    const { toolchain = detectToolchain(projectFolder(tree, root)) } = configuration;
    const image = configuration.image === false ? undefined : (configuration.image ?? {});
    const repository = image?.repository ?? options.repository?.replaceAll('{projectName}', program);
    return {
      project,
      program,
      tagPattern: tagPatternOf(readNxJson(tree)?.release as Parameters<typeof tagPatternOf>[0], {
        name: project,
        root,
        tags,
      }).text,
      output: outputOf(configuration, root),
      platforms: parsePlatforms(configuration.platforms ?? options.platforms ?? DEFAULT_PLATFORMS),
      repositories: image && [repository ?? []].flat(),
      source: image?.source !== undefined || packageOf(tree).repository !== undefined,
      page: configuration.page,
      toolchain: typeof toolchain === 'string' ? toolchain : toolchain?.name,
      target: (name) => {
        const target = TARGETS.find((each) => each === name);
        return (target && options.targetNames[target]) ?? name;
      },
    };
  });
}

function pluginOptionsOf(tree: Tree): PluginOptions {
  const entry = readNxJson(tree)?.plugins?.find(
    (each) => (typeof each === 'string' ? each : each.plugin) === PACKAGE.name,
  );
  const read = readPluginOptions(typeof entry === 'object' ? entry.options : undefined);
  if (!read.ok) throw new PrebuiltError('CONFIGURATION', `nx.json: ${read.problems.join('\n  ')}`);
  return read.value;
}

function packageManagerOf(tree: Tree): PackageManager {
  const { packageManager = '' } = packageOf(tree);
  if (tree.exists('pnpm-lock.yaml') || packageManager.startsWith('pnpm@')) return 'pnpm';
  if (tree.exists('yarn.lock') || packageManager.startsWith('yarn@')) return 'yarn';
  return 'npm';
}

function packageOf(tree: Tree): { readonly packageManager?: string; readonly repository?: unknown } {
  return tree.exists('package.json') ? readJson(tree, 'package.json') : {};
}
