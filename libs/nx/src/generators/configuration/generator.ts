import { posix } from 'node:path';
import { formatFiles, logger, type Tree } from '@nx/devkit';
import { nearestKey, shown } from '../../configuration/problems.ts';
import { parseConfiguration } from '../../configuration/read.ts';
import { programName } from '../../configuration/targets.ts';
import { resolveToolchain } from '../../configuration/toolchain.ts';
import { PrebuiltError } from '../../errors.ts';
import { describeFailure } from '../../executors/failures.ts';
import { generateDockerfile } from '../../image/generated-dockerfile.ts';
import { PACKAGE } from '../../package.ts';
import {
  detectToolchain,
  type ProjectFolder,
  TOOLCHAINS,
  type ToolchainSetting,
} from '../../toolchains/index.ts';
import initGenerator from '../init/generator.ts';
import lockGenerator from '../lock/generator.ts';
import { allProjects } from '../projects.ts';
import { projectFolder } from '../tree-folder.ts';
import { type Ask, askAtTerminal } from './ask.ts';
import type { ConfigurationOptions } from './options.ts';
import { registerRelease } from './register-release.ts';

type Given = Partial<ConfigurationOptions> & Pick<ConfigurationOptions, 'project'>;

/**
 * `nx g @prebuilt/nx:configuration PROJECT`: writes the project's prebuilt.json and adds missing entries to the lock.
 * Keeps the content of an existing prebuilt.json, except for what options change. Options: schema.json.
 */
export default async function configurationGenerator(
  tree: Tree,
  options: Given,
  {
    ask = askAtTerminal,
    lock = lockGenerator,
  }: { readonly ask?: Ask; readonly lock?: typeof lockGenerator } = {},
): Promise<void> {
  try {
    await configure(tree, options, ask);
  } catch (error) {
    // Nx prints only an error's message.
    const lines = describeFailure(error, { root: tree.root });
    throw lines === undefined ? error : new Error(lines.join('\n'), { cause: error });
  }
  if (options.skipFormat !== true) await formatFiles(tree);
  if (options.skipLock !== true) await lock(tree, {});
}

async function configure(tree: Tree, options: Given, ask: Ask): Promise<void> {
  const { root, name } = await findProject(tree, options.project);
  const file = posix.join(root, 'prebuilt.json');
  const former = readFormer(tree, file);
  const folder = projectFolder(tree, root);
  const toolchain = await chooseToolchain(
    options,
    former.toolchain as ToolchainSetting | undefined,
    folder,
    ask,
  );
  const image =
    options.repository === undefined
      ? former.image
      : { ...(former.image as object), repository: options.repository };
  const content = {
    $schema:
      former.$schema ??
      posix.join(posix.relative(root, '.') || '.', `node_modules/${PACKAGE.name}/schemas/prebuilt.json`),
    ...former,
    ...(toolchain !== undefined && { toolchain }),
    ...(image !== undefined && { image }),
  };
  const text = JSON.stringify(content, null, 2);
  const read = parseConfiguration(text);
  const resolved = resolveToolchain(
    toolchain ?? (former.toolchain as ToolchainSetting | undefined),
    folder,
    root,
  );
  const problems = [...(read.ok ? [] : read.problems), ...(resolved.ok ? [] : resolved.problems)];
  if (!read.ok || problems.length > 0)
    throw new PrebuiltError('CONFIGURATION', `${file}: ${problems.join('\n  ')}`);
  await initGenerator(tree, { skipFormat: true });
  registerRelease(tree, { name, root });
  if (tree.read(file, 'utf8')?.trim() !== text) tree.write(file, `${text}\n`);
  const dockerfile = posix.join(root, 'Dockerfile.release');
  if (options.dockerfile !== true) return;
  if (tree.exists(dockerfile)) logger.info(`${dockerfile} already exists and is left unchanged.`);
  else tree.write(dockerfile, generateDockerfile({ name: programName(read.value, name), runtime: true }));
}

/** Finds a project by its name, or a folder that will become one. */
async function findProject(
  tree: Tree,
  given: string,
): Promise<{ readonly root: string; readonly name: string }> {
  const projects = await allProjects(tree);
  const found = projects.get(given);
  if (found !== undefined) return { root: found.root, name: given };
  const root = posix.normalize(given).replace(/\/$/, '');
  if (!root.startsWith('..') && !posix.isAbsolute(root) && tree.exists(root) && !tree.isFile(root)) {
    const [name] = [...projects].find(([, project]) => project.root === root) ?? [posix.basename(root)];
    return { root, name };
  }
  const near = nearestKey(given, [...projects.keys()]);
  throw new PrebuiltError(
    'INVALID_OPTIONS',
    `project: expected a project or a program’s folder, found ${shown(given)}${near === undefined ? '' : `; did you mean ${JSON.stringify(near)}?`}`,
    { hint: 'List the projects with nx show projects.' },
  );
}

function readFormer(tree: Tree, file: string): Readonly<Record<string, unknown>> {
  const text = tree.read(file, 'utf8');
  if (text === null) return {};
  const read = parseConfiguration(text);
  if (!read.ok) throw new PrebuiltError('CONFIGURATION', `${file}: ${read.problems.join('\n  ')}`);
  return JSON.parse(text);
}

/** The toolchain to write to prebuilt.json; undefined to keep the existing or detected one. */
async function chooseToolchain(
  { toolchain, entry, files, dependsOn }: Given,
  former: ToolchainSetting | undefined,
  folder: ProjectFolder,
  ask: Ask,
): Promise<ToolchainSetting | undefined> {
  const given = {
    ...(entry !== undefined && { entry }),
    ...(files !== undefined && { files }),
    ...(dependsOn !== undefined && { dependsOn: [...dependsOn] }),
  };
  const told = toolchain ?? (files !== undefined ? 'import' : entry !== undefined ? 'bun' : undefined);
  if (told !== undefined) return Object.keys(given).length === 0 ? told : { name: told, ...given };
  if (former !== undefined || detectToolchain(folder) !== undefined) return undefined;
  const names = TOOLCHAINS.map(({ name }) => name);
  const name = await ask(`Which toolchain compiles this program? (${names.join(', ')})`);
  if (name === undefined || name === '') return undefined;
  if (name === 'import')
    return { name, files: (await ask('Where are the executables? (such as out/{arch}/tool)')) ?? '' };
  if (name === 'bun')
    return { name, entry: (await ask('What is its main file? (such as src/main.ts)')) ?? '' };
  return name;
}
