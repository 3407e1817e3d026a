import { formatFiles, readNxJson, type Tree, updateNxJson } from '@nx/devkit';
import { PACKAGE } from '../../package.ts';
import type { InitOptions } from './options.ts';

/** What git must ignore: build output and downloads. */
const IGNORED = ['dist', '.cache/prebuilt'];

/**
 * Registers the plugin in nx.json and lists its folders in .gitignore. Running it again changes only what options
 * specify. `nx add` runs it.
 */
export default async function initGenerator(tree: Tree, options: Partial<InitOptions>): Promise<void> {
  registerPlugin(tree, options);
  ignoreOutputs(tree);
  if (options.skipFormat !== true) await formatFiles(tree);
}

function registerPlugin(tree: Tree, { repository }: Partial<InitOptions>): void {
  const nxJson = readNxJson(tree) ?? {};
  const plugins = [...(nxJson.plugins ?? [])];
  const at = plugins.findIndex((each) => (typeof each === 'string' ? each : each.plugin) === PACKAGE.name);
  const found = plugins[at];
  if (found !== undefined && repository === undefined) return;
  const entry = typeof found === 'object' ? found : { plugin: PACKAGE.name };
  const registered =
    repository === undefined
      ? PACKAGE.name
      : { ...entry, options: { ...(entry.options as object), repository } };
  if (found === undefined) plugins.push(registered);
  else plugins[at] = registered;
  updateNxJson(tree, { ...nxJson, plugins });
}

function ignoreOutputs(tree: Tree): void {
  const text = tree.read('.gitignore', 'utf8') ?? '';
  // `dist`, `/dist`, `dist/` and `**/dist` all cover the folder in the workspace root.
  const bare = (line: string): string =>
    line
      .trim()
      .replace(/^(\*\*\/|\/)/, '')
      .replace(/\/$/, '');
  const listed = new Set(text.split('\n').map(bare));
  const covered = (folder: string): boolean => {
    const parts = folder.split('/');
    return parts.some((_, index) => listed.has(parts.slice(0, index + 1).join('/')));
  };
  const missing = IGNORED.filter((folder) => !covered(folder));
  if (missing.length === 0) return;
  const before = text === '' || text.endsWith('\n') ? text : `${text}\n`;
  tree.write('.gitignore', `${before}${missing.map((folder) => `/${folder}\n`).join('')}`);
}
