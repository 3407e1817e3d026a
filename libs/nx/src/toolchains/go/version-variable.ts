import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Platform } from '../../artifacts/platform.ts';
import { PrebuiltError } from '../../errors.ts';
import { commandOutput } from '../../process/command-output.ts';
import { type GoQuery, goEnvironment, type MainPackage } from './packages.ts';

/** The variable that the linker sets by default. */
export const DEFAULT_VARIABLE = 'main.version';

/**
 * Whether the linker can set the variable: it must be a string with a literal value or none. The linker silently
 * ignores any other variable, even a missing one. `main.` means the main package.
 * https://pkg.go.dev/cmd/link
 */
async function canSetVariable(
  query: GoQuery,
  platform: Platform,
  variable: string,
  main: MainPackage,
): Promise<boolean> {
  const dot = variable.lastIndexOf('.');
  const name = variable.slice(dot + 1);
  const packagePath = variable.slice(0, dot) === 'main' ? main.path : variable.slice(0, dot);
  const answer = await commandOutput('go', ['doc', '-cmd', '-u', '-c', packagePath, name], {
    cwd: query.folder,
    env: { ...goEnvironment(query, platform), GOFLAGS: query.facts.isVendored ? '-mod=vendor' : '' },
  });
  const escaped = name.replaceAll(/[\\^$.*+?()[\]{}|]/g, String.raw`\$&`);
  const declared = new RegExp(`^(var |\\t)${escaped}( +string)?( += ["\`].*)?( *//.*)?$`, 'm');
  return answer.ok && /^var\b/m.test(answer.text) && declared.test(answer.text);
}

/** A platform's main packages that get the version, and a message for each one that doesn't. */
export interface SettableVariables {
  readonly packages: readonly MainPackage[];
  readonly told: readonly string[];
}

/**
 * For each platform, the main packages that have the variable; an empty map if `variable` is `false`. Throws
 * `TOOLCHAIN` if a variable other than the default is missing.
 */
export async function settableVariables(
  query: GoQuery,
  platforms: readonly Platform[],
  variable: string | false,
  packages: readonly MainPackage[],
): Promise<ReadonlyMap<Platform, SettableVariables>> {
  if (variable === false) return new Map();
  const answers = await Promise.all(
    packages.map(async (main) => ({ main, has: await askEach(query, platforms, variable, main) })),
  );
  return new Map(
    platforms.map((platform) => {
      const without = answers.filter(({ has }) => has.get(platform) !== true).map(({ main }) => main);
      const [first] = without;
      if (first !== undefined && variable !== DEFAULT_VARIABLE) throw missingVariable(variable, first);
      const told = without.map(
        ({ importPath }) =>
          `${importPath} has no string variable ${variable}: the executable won’t know its version`,
      );
      return [platform, { packages: packages.filter((main) => !without.includes(main)), told }];
    }),
  );
}

// Asking Go takes as long as compiling a small program, so ask only once if the answer is the same for all platforms.
async function askEach(
  query: GoQuery,
  platforms: readonly Platform[],
  variable: string,
  main: MainPackage,
): Promise<ReadonlyMap<Platform, boolean>> {
  const isOne = variable.startsWith('main.') && !(await isConstrained(join(query.folder, main.path)));
  const asked = isOne ? platforms.slice(0, 1) : platforms;
  const answers = await Promise.all(asked.map((platform) => canSetVariable(query, platform, variable, main)));
  return new Map(platforms.map((platform, index) => [platform, answers[isOne ? 0 : index] === true]));
}

// Whether any file of a package is platform-specific, by a name such as x_arm64.go or by a build constraint.
// https://pkg.go.dev/cmd/go#hdr-Build_constraints
async function isConstrained(folder: string): Promise<boolean> {
  const names = (await readdir(folder)).filter((name) => name.endsWith('.go'));
  if (names.some((name) => name.includes('_') && !name.endsWith('_test.go'))) return true;
  const texts = await Promise.all(names.map((name) => readFile(join(folder, name), 'utf8')));
  return texts.some((text) => /^\/\/(?:go:build| *\+build)/m.test(text));
}

function missingVariable(variable: string, { importPath }: MainPackage): PrebuiltError {
  return new PrebuiltError(
    'TOOLCHAIN',
    `go: ${importPath}: expected a string variable ${variable}, with a literal value or none, found none`,
    {
      hint: 'Declare it (var version string), set the toolchain’s "version" to the right one, or set {"version": false}.',
    },
  );
}
