import { posix } from 'node:path';
import type { TargetConfiguration } from '@nx/devkit';
import { isBuiltIn, type ListedOption } from '../image/listed/entries.ts';
import { PRODUCED } from '../keys/outputs.ts';
import { LOCK_FILE } from '../lock/lock.ts';
import { PACKAGE } from '../package.ts';
import type { ConfiguredToolchain, TargetInputs } from '../toolchains/toolchain.ts';
import type { Configuration } from './definition.ts';
import type { PluginOptions } from './plugin-options.ts';
import { TARGETS, type TargetName } from './target-names.ts';

/** The facts about a project that aren't in its prebuilt.json. Paths are relative to the workspace root. */
export interface ProjectFacts {
  readonly name: string;
  readonly root: string;
  readonly toolchain: ConfiguredToolchain;
  /** Its Dockerfile.release; undefined if there is none. */
  readonly dockerfile: string | undefined;
  /** The Nx inputs that represent the program's sources. */
  readonly sources: TargetInputs;
}

type Targets = Readonly<Record<string, TargetConfiguration>>;

/** The subfolder of a project's output that each target fills. */
const FOLDERS = {
  'build-binaries': 'bin',
  verify: 'verify',
  'docker-release': 'oci',
  sbom: 'sbom',
  'docker-publish': 'publish',
} as const;

/** The folder for everything a project builds: `output`, or by default `dist/<the project's folder>`. */
export function outputOf(configuration: Configuration, root: string): string {
  const output = configuration.output ?? posix.join('dist', root);
  return posix.normalize(output).replace(/\/$/, '');
}

/** The output folders of a project's targets, relative to the workspace root. */
export function outputFolders(configuration: Configuration, root: string): readonly string[] {
  return Object.values(FOLDERS).map((folder) => posix.join(outputOf(configuration, root), folder));
}

/** The program's name: as configured, or by default the project's name without its scope. */
export function programName(configuration: Configuration, projectName: string): string {
  return configuration.name ?? projectName.replace(/^@[^/]*\//, '');
}

/** A project's targets. A program without an image gets no image targets, and one without a page no page targets. */
export function inferTargets(
  configuration: Configuration,
  facts: ProjectFacts,
  options: PluginOptions,
): Targets {
  const output = outputOf(configuration, facts.root);
  const at = (target: keyof typeof FOLDERS): string => posix.join(output, FOLDERS[target]);
  const named = (target: TargetName): string => options.targetNames[target] ?? target;
  const image = configuration.image === false ? undefined : (configuration.image ?? {});
  const produced = { dependentTasksOutputFiles: PRODUCED };
  const inputs = (
    ...own: TargetConfiguration['inputs'] & object
  ): NonNullable<TargetConfiguration['inputs']> => [
    ...own,
    ...(options.inputs as NonNullable<TargetConfiguration['inputs']>),
  ];
  const cached = (target: keyof typeof FOLDERS): Partial<TargetConfiguration> => ({
    cache: true,
    outputs: [`{workspaceRoot}/${at(target)}`],
  });
  const dockerfile =
    image?.dockerfile === undefined ? facts.dockerfile : posix.join(facts.root, image.dockerfile);
  // docker-publish compares the image with the same plan that built it.
  const described = {
    ...(dockerfile !== undefined && { dockerfile }),
    ...(image?.title !== undefined && { imageTitle: image.title }),
    ...(image?.source !== undefined && { imageSource: image.source }),
    ...(image?.licenses !== undefined && { imageLicenses: image.licenses }),
    ...(image?.requireFullProof !== undefined && { requireFullProof: image.requireFullProof }),
  };
  const repository =
    image?.repository ??
    options.repository?.replaceAll('{projectName}', programName(configuration, facts.name));
  const platforms = configuration.platforms ?? options.platforms;

  const files = (image?.files ?? []).map((each) => inWorkspace(each, facts.root));
  const { smoke, printsVersion } = configuration.verify ?? {};
  const sysrootPackages = [
    ...new Set([...facts.toolchain.sysrootPackages, ...(configuration.sysrootPackages ?? [])]),
  ];

  const targets: Record<TargetName, TargetConfiguration | undefined> = {
    'build-binaries': {
      ...cached('build-binaries'),
      ...(facts.toolchain.dependsOn.length > 0 && { dependsOn: [...facts.toolchain.dependsOn] }),
      // The cache key includes the lock entries in use. As an input, a changed lock also makes the project affected.
      inputs: inputs(...facts.sources, `{workspaceRoot}/${LOCK_FILE}`, ...files.flatMap(inputsOf)),
      options: {
        name: programName(configuration, facts.name),
        toolchain: { name: facts.toolchain.name, ...facts.toolchain.options },
        ...(configuration.sysroot !== undefined && {
          sysroot: posix.join(facts.root, configuration.sysroot),
        }),
        ...(sysrootPackages.length > 0 && { sysrootPackages }),
        ...(platforms !== undefined && { platforms: [...platforms] }),
        ...(files.length > 0 && { files }),
        outputPath: at('build-binaries'),
      },
      metadata: { description: 'Compiles the program for every platform.' },
    },
    verify: {
      ...cached('verify'),
      dependsOn: [named('build-binaries')],
      inputs: inputs(produced),
      options: {
        inputPath: at('build-binaries'),
        outputPath: at('verify'),
        ...(smoke !== undefined && { smoke: smoke === false ? [] : smoke.map((args) => [...args]) }),
        ...(printsVersion !== undefined && { printsVersion }),
      },
      metadata: { description: 'Verifies every executable, and runs it if possible.' },
    },
    'docker-release': image && {
      ...cached('docker-release'),
      dependsOn: [named('build-binaries'), named('verify')],
      inputs: inputs(...(dockerfile === undefined ? [] : [`{workspaceRoot}/${dockerfile}`]), produced),
      options: {
        inputPath: at('build-binaries'),
        verifyPath: at('verify'),
        outputPath: at('docker-release'),
        ...described,
        ...(image.compression !== undefined && { compression: image.compression }),
        ...(image.compressionLevel !== undefined && { compressionLevel: image.compressionLevel }),
      },
      metadata: { description: 'Puts the verified executables into a multi-arch image.' },
    },
    'docker-load': image && {
      dependsOn: [named('docker-release')],
      options: { image: programName(configuration, facts.name), inputPath: at('docker-release') },
      metadata: { description: 'Loads the image into the local engine, to try it out.' },
    },
    sbom: {
      ...cached('sbom'),
      dependsOn: [named('build-binaries')],
      inputs: inputs(produced),
      options: { inputPath: at('build-binaries'), outputPath: at('sbom') },
      metadata: { description: 'Writes a bill of materials for each platform.' },
    },
    plan: {
      options: {},
      metadata: { description: 'Checks whether a release can start, and shows which tags will move.' },
    },
    'github-draft': configuration.page
      ? {
          dependsOn: [named('verify'), named('sbom')],
          options: {
            stage: 'draft',
            inputPath: at('build-binaries'),
            sbomPath: at('sbom'),
            recordPath: at('docker-publish'),
            signaturePath: posix.join(output, 'signature'),
            ...(image === undefined && { image: false }),
          },
          metadata: { description: 'Creates the draft of the release page, with its files.' },
        }
      : undefined,
    'docker-publish': image && {
      dependsOn: [named('docker-release'), named('sbom')],
      options: {
        ...(repository !== undefined && { image: repository }),
        ...described,
        inputPath: at('docker-release'),
        binPath: at('build-binaries'),
        verifyPath: at('verify'),
        sbomPath: at('sbom'),
        outputPath: at('docker-publish'),
      },
      metadata: { description: 'Publishes the image: by digest, read back and compared, then its tags.' },
    },
    'github-release': configuration.page
      ? {
          options: {
            stage: 'publish',
            inputPath: at('build-binaries'),
            sbomPath: at('sbom'),
            recordPath: at('docker-publish'),
            signaturePath: posix.join(output, 'signature'),
            ...(image === undefined && { image: false }),
          },
          metadata: { description: 'Publishes the release page.' },
        }
      : undefined,
    // Without parallelism, since two builds at once could write to the output folder of a common dependency.
    'nx-release-publish':
      image || configuration.page
        ? {
            parallelism: false,
            options: {},
            metadata: { description: 'Publishes for `nx release`: first the image, then the release page.' },
          }
        : undefined,
  };
  return Object.fromEntries(
    TARGETS.flatMap((name) => {
      const target = targets[name];
      if (target === undefined) return [];
      return [[named(name), { executor: executorOf(name), cache: false, ...target }]];
    }),
  );
}

// Use an object for a file: relative to the workspace root, its path could equal the name of a built-in.
function inWorkspace(file: ListedOption, root: string): ListedOption {
  if (typeof file === 'string' && isBuiltIn(file)) return file;
  const { path, ...more } = typeof file === 'string' ? { path: file } : file;
  return { path: posix.isAbsolute(path) ? path : posix.join(root, path), ...more };
}

// A file or all files in a folder. The build refuses anything outside the workspace.
function inputsOf(file: ListedOption): readonly string[] {
  if (typeof file === 'string' || posix.isAbsolute(file.path) || file.path.startsWith('..')) return [];
  const path = file.path.replace(/\/$/, '');
  return [`{workspaceRoot}/${path}`, `{workspaceRoot}/${path}/**/*`];
}

/**
 * The targets for a project with an invalid configuration. Each fails with all problems, while the rest of the
 * workspace continues to work.
 */
export function refusedTargets(file: string, problems: readonly string[], options: PluginOptions): Targets {
  const target: TargetConfiguration = {
    executor: `${PACKAGE.name}:configuration-error`,
    cache: false,
    options: { file, problems: [...problems] },
    metadata: { description: `${file} can't be used: ${problems.join('; ')}` },
  };
  return Object.fromEntries(TARGETS.map((name) => [options.targetNames[name] ?? name, target]));
}

function executorOf(target: TargetName): string {
  const executor =
    { plan: 'release-plan', 'github-draft': 'github-release', 'nx-release-publish': 'release-publish' }[
      target as string
    ] ?? target;
  return `${PACKAGE.name}:${executor}`;
}
