import { isUtf8 } from 'node:buffer';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { bundle, LICENSES_FILE } from './bundle.ts';
import { COMPILED, publishedPath, rewritePaths, SOURCES } from './compiled.ts';
import { PackError } from './errors.ts';
import { publishedManifest, type SourceManifest } from './manifest.ts';
import { rescopeTo } from './scope.ts';
import { filesBelow, readWorkspaceFacts } from './workspace.ts';

/** Which package to pack, and how. */
export interface Packing {
  /** The workspace's root. */
  readonly root: string;
  /** The package's folder, relative to the root, such as `libs/oci`. */
  readonly project: string;
  /** The npm scope to publish under, such as `@acme`. */
  readonly scope: string;
  /** The folder to fill, absolute or relative to the root; defaults to the project's folder under `dist`. */
  readonly output?: string;
}

/** A folder that is ready to publish. */
export interface PackedPackage {
  readonly folder: string;
  readonly name: string;
  readonly version: string;
  /** Paths relative to the folder, sorted. */
  readonly files: readonly string[];
}

interface CompilerConfig {
  readonly compilerOptions: { readonly outDir: string };
  readonly exclude?: readonly string[];
}

interface BaseConfig {
  readonly compilerOptions: { readonly target: string };
}

/**
 * Fills a folder with a package ready for npm: the compiled sources that tsconfig.lib.json includes, and whatever else
 * `files` lists. Files listed as `bundled` in the manifest replace the compiled ones. Throws NOT_COMPILED if a source
 * has no compiled file, and BUNDLE, MANIFEST and SCOPE.
 */
export async function packPackage(
  { root, project, scope, output = join('dist', project) }: Packing,
  env: NodeJS.ProcessEnv,
): Promise<PackedPackage> {
  const source = join(root, project);
  const manifest: SourceManifest = await readJson(join(source, 'package.json'));
  const config: CompilerConfig = await readJson(join(source, 'tsconfig.lib.json'));
  const facts = readWorkspaceFacts(root, env);
  const rescope = rescopeTo(facts.versions.keys(), scope);
  const sources = filesBelow(source, `${SOURCES}/**/*`, config.exclude);
  const compiler = join(source, config.compilerOptions.outDir);

  const contents = new Map<string, Uint8Array | string>();
  contents.set('package.json', publishedManifest(manifest, { ...facts, rescope, directory: project }));
  const add = async (path: string, file: string): Promise<void> => {
    const bytes = await readFile(file);
    contents.set(publishedPath(path), isUtf8(bytes) ? rewrite(bytes.toString(), path) : bytes);
  };
  const rewrite = (text: string, path: string): string => rescope(rewritePaths(text, path, new Set(sources)));
  for (const path of sources) {
    if (!path.endsWith('.ts')) await add(path, join(source, path));
    else if (!path.endsWith('.d.ts'))
      addCompiled(contents, path, await readCompiled(compiler, path), rewrite);
  }
  if (manifest.bundled !== undefined) {
    const base: BaseConfig = await readJson(join(root, 'tsconfig.base.json'));
    const outside = [...facts.versions.keys(), ...Object.keys(manifest.peerDependencies ?? {})];
    const { target } = base.compilerOptions;
    const { chunks, licenses } = await bundle(source, manifest.bundled, { outside, target });
    for (const { path, code, map } of chunks) addScript(contents, path, { script: code, map }, rewrite);
    contents.set(`${COMPILED}/${LICENSES_FILE}`, licenses);
  }
  for (const path of await listed(source, manifest)) await add(path, join(source, path));
  await add('LICENSE', join(root, 'LICENSE'));

  const folder = resolve(root, output);
  await rm(folder, { recursive: true, force: true });
  for (const [path, content] of contents) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), content);
  }
  const { name, version } = JSON.parse(String(contents.get('package.json')));
  return { folder: output, name, version, files: [...contents.keys()].sort() };
}

async function readJson<Content>(path: string): Promise<Content> {
  return JSON.parse(await readFile(path, 'utf8'));
}

interface Compiled {
  readonly script: string;
  readonly map: string;
  readonly declaration: string;
}

async function readCompiled(compiler: string, path: string): Promise<Compiled> {
  const stem = join(compiler, path.slice(SOURCES.length + 1, -'.ts'.length));
  const read = async (file: string): Promise<string> => {
    if (existsSync(file)) return readFile(file, 'utf8');
    throw new PackError('NOT_COMPILED', `${path}: expected ${file}, found none; run nx build`);
  };
  return {
    script: await read(`${stem}.js`),
    map: await read(`${stem}.js.map`),
    declaration: await read(`${stem}.d.ts`),
  };
}

function addCompiled(
  contents: Map<string, string | Uint8Array>,
  path: string,
  { script, map, declaration }: Compiled,
  rewrite: (text: string, path: string) => string,
): void {
  addScript(contents, path, { script, map: { ...JSON.parse(map), sources: [path] } }, rewrite);
  contents.set(publishedPath(path).replace(/\.js$/, '.d.ts'), rewrite(declaration, path));
}

// The map refers to its sources as if they were in the package; the map alone is enough for readers.
function addScript(
  contents: Map<string, string | Uint8Array>,
  path: string,
  { script, map }: { readonly script: string; readonly map: { readonly sources: readonly string[] } },
  rewrite: (text: string, path: string) => string,
): void {
  const target = publishedPath(path);
  const up = '../'.repeat(target.split('/').length - 1);
  contents.set(target, rewrite(script, path));
  const sources = map.sources.map((source) => `${up}${source}`);
  contents.set(`${target}.map`, JSON.stringify({ ...map, sources }));
}

async function listed(source: string, { name, files = [] }: SourceManifest): Promise<readonly string[]> {
  const found: string[] = ['README.md'];
  for (const entry of files) {
    if (entry === COMPILED) continue;
    const kind = await stat(join(source, entry)).catch(() => undefined);
    if (kind === undefined) {
      throw new PackError('MANIFEST', `${name}/package.json: files lists ${entry}, which does not exist`);
    }
    found.push(...(kind.isDirectory() ? filesBelow(source, `${entry}/**/*`) : [entry]));
  }
  return found;
}
