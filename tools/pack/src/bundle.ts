import { readdir, readFile } from 'node:fs/promises';
import { isBuiltin } from 'node:module';
import { dirname, join, relative, resolve } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { type OutputChunk, type Plugin, rolldown } from 'rolldown';
import { posix, SOURCES } from './compiled.ts';
import { PackError } from './errors.ts';

/** Which sources of a package are published as few large files in place of many small ones; paths as `src/a.ts`. */
export interface Bundling {
  /** Each becomes one file with all that it imports; what several import is in a file of its own. */
  readonly entries: readonly string[];
  /** What may be in the package once alone, such as a class that `instanceof` asks for: imported, not taken in. */
  readonly apart: readonly string[];
}

/** What a bundle is made with. */
export interface BundleSettings {
  /** Names of packages that are never taken in. */
  readonly outside: readonly string[];
  /** The version of JavaScript to write, as the compiler's `target` names it: Node 22 knows no `using`. */
  readonly target: string;
}

/** A file of a bundle. */
export interface Chunk {
  /** The path as if it were a source: `src/plugin.ts`. */
  readonly path: string;
  readonly code: string;
  /** A source map whose sources are relative to the package's folder, without their content. */
  readonly map: { readonly sources: readonly string[] };
}

/** The bundle of a package, and the licenses of what it holds of others. */
export interface Bundle {
  readonly chunks: readonly Chunk[];
  readonly licenses: string;
}

/** Where the licenses are, beside the compiled files. */
export const LICENSES_FILE = 'third-party-licenses.txt';

/** The name of what several entries share. */
const SHARED = 'bundled';

/**
 * Bundles sources with everything that they import: the package's own files, and those of its dependencies, which are
 * taken in with their licenses. What is imported where it is needed alone (`import()`) stays outside, as do the packages
 * in `outside`. Throws BUNDLE for what can't be bundled: an entry that is not at the sources' root, where the paths from
 * `import.meta` hold, such a path elsewhere, a package without a license, and
 * whatever the bundler warns of.
 *
 * @param folder the package's folder, absolute
 * @see https://rolldown.rs/apis/bundler-api
 */
export async function bundle(
  folder: string,
  { entries, apart }: Bundling,
  { outside, target }: BundleSettings,
): Promise<Bundle> {
  const root = join(folder, SOURCES);
  for (const entry of entries) {
    if (dirname(entry) === SOURCES) continue;
    throw new PackError('BUNDLE', `${entry}: expected a file directly in ${SOURCES}`);
  }
  const warnings: string[] = [];
  const build = await rolldown({
    cwd: folder,
    input: Object.fromEntries(entries.map((entry) => [stemOf(entry), join(folder, entry)])),
    platform: 'node',
    transform: { target },
    external: (id) => isBuiltin(id) || outside.some((name) => `${id}/`.startsWith(`${name}/`)),
    plugins: [keepOutside(root, new Set(apart.map((path) => join(folder, path))))],
    onLog(level, { message }) {
      if (level === 'warn') warnings.push(stripVTControlCharacters(message));
    },
  });
  try {
    const { output } = await build.generate({
      dir: root,
      format: 'esm',
      sourcemap: true,
      entryFileNames: '[name].js',
      chunkFileNames: `${SHARED}-[hash].js`,
    });
    if (warnings.length > 0) throw new PackError('BUNDLE', `${entries.join(', ')}: ${warnings.join('; ')}`);
    const chunks = output.filter((each) => each.type === 'chunk');
    const modules = chunks.flatMap((chunk) => modulesOf(chunk));
    for (const { id, code } of modules) {
      if (!code.includes('import.meta') || dirname(id) === root) continue;
      throw new PackError('BUNDLE', `${id}: import.meta names the bundle's place, not the file's own`);
    }
    return {
      chunks: chunks.map((chunk) => toChunk(chunk, folder, root)),
      licenses: await licensesOf(modules.map(({ id }) => id)),
    };
  } finally {
    await build.close();
  }
}

function stemOf(path: string): string {
  return path.slice(SOURCES.length + 1).replace(/\.ts$/, '');
}

// Their paths become relative to the sources' root, where every file of the bundle is.
function keepOutside(root: string, apart: ReadonlySet<string>): Plugin {
  return {
    name: 'keep-outside',
    async resolveId(id, importer, { kind }) {
      if (importer === undefined) return null;
      if (!id.startsWith('.')) return kind === 'dynamic-import' ? { id, external: true } : null;
      const path = resolve(dirname(importer), id);
      if (kind !== 'dynamic-import' && !apart.has(path)) return null;
      return { id: `./${posix(relative(root, path))}`, external: true };
    },
  };
}

function modulesOf({ modules }: OutputChunk): readonly { readonly id: string; readonly code: string }[] {
  return Object.entries(modules).flatMap(([id, { code }]) => (code ? [{ id, code }] : []));
}

// Of a file that only hands on what others export.
const EMPTY_MAP = { version: 3, sources: [], names: [], mappings: '', sourcesContent: [] } as const;

function toChunk({ fileName, code, map }: OutputChunk, folder: string, root: string): Chunk {
  const { sourcesContent: _, sources, ...rest } = map ?? { ...EMPTY_MAP, file: fileName };
  return {
    path: `${SOURCES}/${fileName.replace(/\.js$/, '.ts')}`,
    // As the compiler ends its files.
    code: `${code.replace(/\n*\/\/# sourceMappingURL=.*\n*$/, '')}\n//# sourceMappingURL=${fileName}.map\n`,
    map: { ...rest, sources: sources.map((source) => sourceName(resolve(root, source), folder)) },
  };
}

// A file of another package is named by its path below node_modules.
function sourceName(path: string, folder: string): string {
  const file = posix(path);
  const at = file.lastIndexOf('/node_modules/');
  return at === -1 ? posix(relative(folder, path)) : file.slice(at + 1);
}

async function licensesOf(modules: readonly string[]): Promise<string> {
  const folders = modules.flatMap(
    (id) => /^.*[\\/]node_modules[\\/](?:@[^\\/]+[\\/])?[^\\/]+/.exec(id)?.[0] ?? [],
  );
  const texts = [...new Set(folders)].map(async (folder) => {
    const { name, version } = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8'));
    const file = (await readdir(folder)).find((each) => /^(license|licence)(\.\w+)?$/i.test(each));
    if (file === undefined) {
      throw new PackError('BUNDLE', `${name}: expected a license to pass on, found none in ${folder}`);
    }
    return `${name} ${version}\n\n${(await readFile(join(folder, file), 'utf8')).trim()}\n`;
  });
  return (await Promise.all(texts)).sort().join(`\n${'-'.repeat(80)}\n\n`);
}
