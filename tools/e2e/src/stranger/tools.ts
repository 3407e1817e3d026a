import { mkdir, mkdtemp, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { run, runOk, userEnvironment } from '../testing/workspace.ts';

/** The Node majors that the packages' `engines` allow, each with its oldest allowed version. */
const NODES = { 22: '22.22.2', 24: '24.15.0', 26: '26.12.1' } as const;

/** A Node major that the packages support. */
export type NodeMajor = keyof typeof NODES;

/** A package manager. For npm, the machine's own is used. */
export type Manager = 'npm' | 'pnpm' | 'yarn' | 'bun';

/** The locations of the programs that an outside user has. */
export interface Tools {
  /** The folder to put first in PATH for a Node major and a package manager. */
  path(node: NodeMajor, manager: Manager): string;
  /** The folder of the package with the npm registry. */
  readonly packageRegistry: string;
}

const PLATFORM = `linux-${process.arch}`;
const BUN = `@oven/bun-linux-${process.arch === 'x64' ? 'x64-baseline' : 'aarch64'}`;

const PACKAGES: Readonly<Record<string, string>> = {
  ...Object.fromEntries(
    Object.entries(NODES).map(([major, version]) => [`node${major}`, `npm:node-${PLATFORM}@${version}`]),
  ),
  pnpm: '12.21.0',
  '@yarnpkg/cli-dist': '4.18.1',
  [BUN]: '1.4.4',
  verdaccio: '6.10.4',
};

// Verdaccio requires node-fetch by a tag that not every registry has.
const OVERRIDES = { verdaccio: { 'node-fetch': '2.7.0' } };

const FILES: Readonly<Record<Exclude<Manager, 'npm'>, string>> = {
  pnpm: 'pnpm/pnpm',
  yarn: '@yarnpkg/cli-dist/bin/yarn.js',
  bun: `${BUN}/bin/bun`,
};

/**
 * Installs the Node majors, the package managers and a registry from npm, into a folder in the user's cache that later
 * runs reuse. Nothing is installed in this workspace.
 */
export async function installTools(env: NodeJS.ProcessEnv = process.env): Promise<Tools> {
  const cache = env.XDG_CACHE_HOME || join(homedir(), '.cache');
  const folder = join(cache, 'prebuilt-stranger');
  const manifest = JSON.stringify(
    { private: true, dependencies: PACKAGES, overrides: OVERRIDES },
    undefined,
    2,
  );
  const installed = await readFile(join(folder, 'installed.json'), 'utf8').catch(() => undefined);
  if (installed !== manifest) {
    await mkdir(cache, { recursive: true });
    const fresh = await mkdtemp(`${folder}-`);
    await writeFile(join(fresh, 'package.json'), manifest);
    await runOk(fresh, 'npm', ['install', '--no-audit', '--no-fund', '--no-package-lock']);
    await linkPrograms(fresh);
    await writeFile(join(fresh, 'installed.json'), manifest);
    await rm(folder, { recursive: true, force: true });
    await rename(fresh, folder);
  }
  return {
    path: (node, manager) => join(folder, 'path', `node${node}-${manager}`),
    packageRegistry: join(folder, 'node_modules/verdaccio'),
  };
}

async function linkPrograms(folder: string): Promise<void> {
  for (const node of Object.keys(NODES)) {
    for (const manager of ['npm', 'pnpm', 'yarn', 'bun'] as const) {
      const path = join(folder, 'path', `node${node}-${manager}`);
      await mkdir(path, { recursive: true });
      await symlink(`../../node_modules/node${node}/bin/node`, join(path, 'node'));
      if (manager !== 'npm') await symlink(join('../../node_modules', FILES[manager]), join(path, manager));
      if (manager === 'bun') await symlink(join('../../node_modules', FILES.bun), join(path, 'bunx'));
    }
  }
}

/** The registry and certificates that npm is configured with here, which other package managers need as well. */
export async function npmSettings(folder: string): Promise<Readonly<Record<'registry' | 'cafile', string>>> {
  const { output } = await run(folder, 'npm', ['config', 'get', 'registry', 'cafile'], userEnvironment());
  const [registry = '', cafile = ''] = output
    .trim()
    .split('\n')
    .map((line) => line.replace(/^[a-z]+=/, ''));
  return { registry, cafile: cafile === 'null' ? '' : cafile };
}
