/** The commands that prepare a workspace. */
export interface Commands {
  /** For jobs that compile nothing. */
  readonly install: readonly string[];
  /** For jobs that compile, emulate or test. */
  readonly prepare: readonly string[];
  /** The package manager's folders to cache between runs. */
  readonly caches: readonly string[];
}

/** The supported package managers. */
export type PackageManager = 'npm' | 'pnpm' | 'yarn';

// Without install scripts, since some of the jobs can sign and publish.
const INSTALLATIONS: Readonly<Record<PackageManager, readonly string[]>> = {
  npm: ['npm ci --ignore-scripts --no-audit --no-fund'],
  pnpm: ['corepack enable pnpm', 'pnpm install --frozen-lockfile --ignore-scripts'],
  yarn: ['corepack enable yarn', 'yarn install --immutable --mode=skip-build'],
};

const FETCH = 'npx nx g @prebuilt/nx:lock --fetch';

/** The given commands of a workspace, or the defaults for its package manager. */
export function commandsOf(
  manager: PackageManager,
  given: { readonly install?: readonly string[]; readonly prepare?: readonly string[] },
): Commands {
  const install = given.install ?? INSTALLATIONS[manager];
  const prepare = given.prepare ?? [...install, FETCH];
  return {
    install,
    prepare,
    caches: manager === 'npm' ? ['~/.npm'] : [],
  };
}
