import { readdir, readFile } from 'node:fs/promises';
import { isBuiltin } from 'node:module';
import { dirname, join, relative, resolve } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { type OutputChunk, type Plugin, rolldown } from 'rolldown';
import { posix, SOURCES } from './compiled.ts';
import { PackError } from './errors.ts';

/** The sources of a package to publish as a few large files instead of many small ones; paths like `src/a.ts`. */
export interface Bundling {
  /** Each becomes one file with everything it imports; what several entries import goes into a shared file. */
  readonly entries: readonly string[];
  /** Files that must exist only once, such as a class used with `instanceof`: imported, not bundled. */
  readonly apart: readonly string[];
}

/** The settings of a bundle. */
export interface BundleSettings {
  /** Names of packages that are never bundled. */
  readonly outside: readonly string[];
  /** The version of JavaScript to write, as in the compiler's `target`: Node 22 does not support `using`. */
  readonly target: string;
}

/** One file of a bundle. */
export interface Chunk {
  /** The path, as if it were a source file: `src/plugin.ts`. */
  readonly path: string;
  readonly code: string;
  /** A source map whose sources are relative to the package's folder, without their content. */
  readonly map: { readonly sources: readonly string[] };
}

/** The bundle of a package, and the licenses of third-party code in it. */
export interface Bundle {
  readonly chunks: readonly Chunk[];
  readonly licenses: string;
}

/** The file with the licenses, next to the compiled files. */
export const LICENSES_FILE = 'third-party-licenses.txt';

/** The name of the file that several entries share. */
const SHARED = 'bundled';

/**
 * Bundles sources with everything that they import: the package's own files, and those of its dependencies with their
 * licenses. Dynamic imports (`import()`) and the packages in `outside` are not bundled. Throws BUNDLE for what can't be
 * bundled: an entry that is not at the root of the sources, where paths from `import.meta` stay valid; `import.meta`
 * in any other file; a package without a license; and everything that the bundler warns about.
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
      throw new PackError('BUNDLE', `${id}: import.meta would give the bundle's path, not the file's own`);
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

// Their paths become relative to the root of the sources, where every file of the bundle is.
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

// For a file that only re-exports from others.
const EMPTY_MAP = { version: 3, sources: [], names: [], mappings: '', sourcesContent: [] } as const;

function toChunk({ fileName, code, map }: OutputChunk, folder: string, root: string): Chunk {
  const { sourcesContent: _, sources, ...rest } = map ?? { ...EMPTY_MAP, file: fileName };
  return {
    path: `${SOURCES}/${fileName.replace(/\.js$/, '.ts')}`,
    // The same ending as in the compiler's files.
    code: `${code.replace(/\n*\/\/# sourceMappingURL=.*\n*$/, '')}\n//# sourceMappingURL=${fileName}.map\n`,
    map: { ...rest, sources: sources.map((source) => sourceName(resolve(root, source), folder)) },
  };
}

// A file of another package is named by its path from node_modules.
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
