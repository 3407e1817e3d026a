import { copyFile, lstat, realpath } from 'node:fs/promises';
import { join, relative, resolve, sep } from 'node:path';
import * as v from 'valibot';
import { PLATFORMS, type Platform, parsePlatform } from '../artifacts/platform.ts';
import { PrebuiltError } from '../errors.ts';
import { sha256OfFile } from '../files/hash.ts';
import { checkElf } from './elf-check.ts';
import { executableName } from './executable-name.ts';
import { fillPlaceholders, unknownPlaceholders } from './placeholders.ts';
import type { BuildContext, Toolchain } from './toolchain.ts';

const path = v.pipe(v.string(), v.minLength(1), v.maxLength(1024));

// Where other Nx plugins put executables, relative to the workspace root: nx-go 4 caches `dist/{projectRoot}*`,
// @monodon/rust 3 makes cargo build into `dist/target/` and the project's name.
const PLUGINS: Readonly<Record<string, (projectRoot: string) => string>> = {
  'nx-go': (projectRoot) => `dist/${projectRoot}-{platform}`,
  '@monodon/rust': () => 'dist/target/{name}/{rustTarget}/release/{name}',
};

/** The placeholders in a pattern that are unknown or have no value for a file. */
function foreignPlaceholders(pattern: string): readonly string[] {
  return [...unknownPlaceholders(pattern), ...(pattern.match(/\{(?:version|output)\b[^}]*\}/g) ?? [])];
}
const platformName = v.pipe(
  v.string(),
  v.check(
    isPlatform,
    ({ input }) => `expected a platform such as linux/amd64, found ${JSON.stringify(input)}`,
  ),
);

const PLATFORM_PLACEHOLDER = /\{(platform|arch|goarch|gnuTarget|rustTarget|rustGnuTarget|zigTarget)\}/;

const filesOfPlatforms = v.union(
  [
    v.pipe(
      path,
      v.check(
        (pattern) => Object.hasOwn(PLUGINS, pattern) || PLATFORM_PLACEHOLDER.test(pattern),
        'expected a path with {platform} or {arch}, or an object with a file for each platform',
      ),
      v.check(
        (pattern) => foreignPlaceholders(pattern).length === 0,
        ({ input }) => `expected known placeholders, found ${foreignPlaceholders(String(input)).join(', ')}`,
      ),
    ),
    v.record(platformName, path),
  ],
  'expected a path with {platform}, {os}, {arch} or {variant}, or an object with a file for each platform',
);

type FilesOfPlatforms = Readonly<v.InferOutput<typeof filesOfPlatforms>>;

const options = v.strictObject({
  files: v.pipe(
    filesOfPlatforms,
    v.description(
      'The executables built by another target: a path with {platform} (linux-amd64), {os}, {arch} and {variant}, {goarch}, {gnuTarget}, {rustTarget} (aarch64-unknown-linux-musl), {rustGnuTarget} or {zigTarget}, and {name} for the program’s name; a path for each platform; or "nx-go" or "@monodon/rust" for the paths that these plugins use',
    ),
  ),
  executables: v.optional(
    v.pipe(
      v.record(executableName, filesOfPlatforms),
      v.description('Additional executables of the program, as a map from name to files, as in "files"'),
    ),
    {},
  ),
  dependsOn: v.optional(
    v.pipe(
      v.array(v.pipe(v.string(), v.minLength(1)), 'expected a list of targets such as ["build"]'),
      v.description("The targets that build them, in Nx's dependsOn syntax: build, ^build, tool:compile"),
    ),
    [],
  ),
  version: v.optional(
    v.pipe(
      v.string(),
      v.minLength(1),
      v.maxLength(200),
      v.description('The name and version of the tool that built them, for the manifest'),
    ),
    'unknown',
  ),
});

type ImportOptions = Readonly<v.InferOutput<typeof options>>;

/**
 * Imports executables built by another target. The components are those that the executables themselves declare, as
 * Go's and those of `cargo auditable` do.
 */
export const imported: Toolchain<ImportOptions> = {
  name: 'import',
  options,
  platforms: PLATFORMS,
  // Can't be detected; must be configured.
  detect: () => undefined,
  fromProject: ({ files, executables, ...others }, projectRoot) => ({
    ...others,
    files: below(projectRoot, files),
    executables: Object.fromEntries(
      Object.entries(executables).map(([name, each]) => [name, below(projectRoot, each)]),
    ),
  }),
  configure: (configured) => ({
    name: 'import',
    options: configured,
    dependsOn: configured.dependsOn,
    others: Object.keys(configured.executables),
    // Unknown: whose executables are dynamic names their packages in prebuilt.json.
    isDynamic: false,
    sysrootPackages: [],
    inputs: () => [{ dependentTasksOutputFiles: '**/*', transitive: false }],
    async keyFacts(context) {
      const patterns = [configured.files, ...Object.values(configured.executables)];
      const hashes = context.platforms.flatMap((platform) =>
        patterns.map(async (files) => {
          const file = fileOf(files, platform, context.name);
          const sha256 = await sha256OfFile(resolve(context.workspaceRoot, file)).catch(() => null);
          return { platform, file, sha256 };
        }),
      );
      return { version: configured.version, files: await Promise.all(hashes) };
    },
    async prepare(context) {
      return {
        version: configured.version,
        async compile({ platform, outfile, others }) {
          const take = async (files: FilesOfPlatforms | undefined, target: string): Promise<void> => {
            const file = fileOf(files ?? {}, platform, context.name);
            await copyFile(await checkedFile(file, platform, context), target);
            await checkElf(target, file, platform, {
              hint: 'Specify the executable itself rather than a script that starts it, and the one built for this platform.',
            });
          };
          await take(configured.files, outfile);
          for (const other of others) await take(configured.executables[other.name], other.outfile);
          const { embeddedComponents } = await import('./components/embedded.ts');
          return embeddedComponents([outfile, ...others.map((each) => each.outfile)]);
        },
      };
    },
  }),
};

function below(projectRoot: string, files: FilesOfPlatforms): FilesOfPlatforms {
  if (typeof files === 'string') {
    const known = Object.hasOwn(PLUGINS, files) ? PLUGINS[files] : undefined;
    return known?.(projectRoot) ?? join(projectRoot, files);
  }
  return Object.fromEntries(
    Object.entries(files).map(([platform, file]) => [platform, join(projectRoot, file)]),
  );
}

function fileOf(files: FilesOfPlatforms, platform: Platform, name: string): string {
  if (typeof files === 'string' && Object.hasOwn(PLUGINS, files)) {
    throw new PrebuiltError('INVALID_OPTIONS', `toolchain.files: expected a path, found ${files}`, {
      hint: 'A plugin’s name works only in prebuilt.json; a target’s options must list the files.',
    });
  }
  if (typeof files === 'string') {
    return fillPlaceholders(files, { platform, name, version: '', outfile: '', others: [] });
  }
  const entry = Object.entries(files).find(([name]) => parsePlatform(name) === platform);
  if (entry !== undefined) return entry[1];
  throw new PrebuiltError(
    'INVALID_OPTIONS',
    `toolchain.files: expected a file for ${platform}, found files for ${Object.keys(files).join(', ')}`,
    { hint: 'Add its file, or remove the platform from "platforms".' },
  );
}

async function checkedFile(
  file: string,
  platform: Platform,
  { workspaceRoot }: BuildContext,
): Promise<string> {
  const full = resolve(workspaceRoot, file);
  const refuse = (expected: string, found: string, hint: string): never => {
    throw new PrebuiltError('TOOLCHAIN', `${platform}: ${file}: expected ${expected}, found ${found}`, {
      hint,
    });
  };
  const real = await realpath(full).catch(() => undefined);
  if (real === undefined) {
    return refuse('an executable', 'nothing', 'Add the target that builds it to the toolchain’s dependsOn.');
  }
  const root = await realpath(workspaceRoot);
  const inner = relative(root, real);
  if (inner.startsWith(`..${sep}`) || inner === '..' || !real.startsWith(root)) {
    return refuse(
      'a file inside the workspace',
      real,
      'Copy it into the workspace in a target, and add that target to the toolchain’s dependsOn.',
    );
  }
  const found = await lstat(real);
  if (!found.isFile()) {
    const kind = found.isDirectory() ? 'a folder' : 'a special file';
    return refuse('a regular file', kind, 'Specify the executable itself in "files".');
  }
  if (found.size === 0) {
    return refuse('an executable', 'an empty file', 'The target that builds it has failed: run it again.');
  }
  if ((found.mode & 0o111) === 0) {
    return refuse(
      'an executable',
      `mode ${(found.mode & 0o777).toString(8).padStart(4, '0')}`,
      'Make it executable (chmod +x) in the target that builds it.',
    );
  }
  return real;
}

function isPlatform(text: string): boolean {
  try {
    parsePlatform(text);
    return true;
  } catch {
    return false;
  }
}
