/** What a workspace runs to be ready. */
export interface Commands {
  /** For jobs that compile nothing. */
  readonly install: readonly string[];
  /** For jobs that compile, emulate or test. */
  readonly prepare: readonly string[];
  /** Folders of the package manager that are worth keeping between runs. */
  readonly caches: readonly string[];
}

/** The package managers that have a lockfile here. */
export type PackageManager = 'npm' | 'pnpm' | 'yarn';

// No install script runs: some of the jobs can sign and publish.
const INSTALLATIONS: Readonly<Record<PackageManager, readonly string[]>> = {
  npm: ['npm ci --ignore-scripts --no-audit --no-fund'],
  pnpm: ['corepack enable pnpm', 'pnpm install --frozen-lockfile --ignore-scripts'],
  yarn: ['corepack enable yarn', 'yarn install --immutable --mode=skip-build'],
};

const FETCH = 'npx nx g @prebuilt/nx:lock --fetch';

/** The commands of a workspace by its package manager, unless they are given. */
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
