import type { Platform } from '../../artifacts/platform.ts';
import { PrebuiltError } from '../../errors.ts';
import { commandOutput } from '../../process/command-output.ts';
import { type GoQuery, goEnvironment, type MainPackage } from './packages.ts';

/** The variable that the linker sets where a project says nothing of it. */
export const DEFAULT_VARIABLE = 'main.version';

/**
 * Whether the linker can set the variable in a program: it is a string, with a literal or nothing for a value. The
 * linker itself passes over any other in silence, also over one that is not there. `main.` stands for the main package.
 * https://pkg.go.dev/cmd/link
 */
export async function canSetVariable(
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

/** The linker's flag for the version; none where the default variable is not there. Throws `TOOLCHAIN` for a named one. */
export async function versionFlags(
  query: GoQuery,
  platform: Platform,
  { variable, version }: { readonly variable: string | false; readonly version: string },
  main: MainPackage,
  progress: (line: string) => void,
): Promise<readonly string[]> {
  if (variable === false) return [];
  if (await canSetVariable(query, platform, variable, main)) return [`-X=${variable}=${version}`];
  if (variable === DEFAULT_VARIABLE) {
    progress(
      `${main.importPath}: has no string variable ${variable}: the executable does not know its version`,
    );
    return [];
  }
  throw new PrebuiltError(
    'TOOLCHAIN',
    `go: ${main.importPath}: expected a string variable ${variable}, with a literal value or none, found none`,
    {
      hint: 'Declare it (var version string), name the right one as the toolchain’s "version", or set {"version": false}.',
    },
  );
}
