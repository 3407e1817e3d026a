import { existsSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { isBuiltin } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';
import subset from 'semver/ranges/subset.js';
import ts from 'typescript';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type PackedPackage, packPackage } from './pack.ts';

const ROOT = join(import.meta.dirname, '../../..');
const PROJECTS = ['libs/elf', 'libs/oci', 'libs/nx'];
const SCOPES = ['@prebuilt', '@acme'] as const;

// Under the root, so that the packages find their dependencies, but each other only in this folder.
let folder: string;
const packages = new Map<string, PackedPackage>();

beforeAll(async () => {
  const configs = PROJECTS.map((project) => join(project, 'tsconfig.lib.json'));
  await execa('tsc', ['--build', ...configs], { cwd: ROOT, preferLocal: true });
  await mkdir(join(ROOT, 'dist'), { recursive: true });
  folder = await mkdtemp(join(ROOT, 'dist/published-'));
  for (const scope of SCOPES) {
    for (const project of PROJECTS) {
      const output = join(folder, 'node_modules', scope, project.slice('libs/'.length));
      const packed = await packPackage({ root: ROOT, project, scope, output }, {});
      packages.set(packed.name, packed);
    }
  }
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const packed = (name: string): PackedPackage => packages.get(name) as PackedPackage;
const read = (name: string, path: string): string => readFileSync(join(packed(name).folder, path), 'utf8');
const sourceManifest = (name: string) =>
  JSON.parse(readFileSync(join(ROOT, 'libs', name.slice(name.indexOf('/') + 1), 'package.json'), 'utf8'));
const manifest = (name: string) => JSON.parse(read(name, 'package.json'));

/** Runs a module next to the packages, like a user's own module. */
async function runModule(source: string): Promise<unknown> {
  const file = join(folder, 'module.mjs');
  await writeFile(file, source);
  const { stdout } = await execa(process.execPath, [file]);
  return JSON.parse(stdout);
}

it('the packages are compiled by TypeScript 7, and not by the one for programs that call a compiler', async () => {
  const { stdout } = await execa('tsc', ['--version'], { cwd: ROOT, preferLocal: true });
  expect(stdout).toMatch(/^Version 7\./);
});

describe.each(['@prebuilt/elf', '@prebuilt/oci', '@prebuilt/nx'])('%s, as published', (name) => {
  it('a published package passes publint', async () => {
    const { messages } = await publint({ pkgDir: packed(name).folder, strict: true, pack: 'npm' });
    expect(messages.map((message) => formatMessage(message, manifest(name)))).toEqual([]);
  });

  it('a published package has types that resolve for every export', async () => {
    const args = ['--pack', packed(name).folder, '--profile=esm-only', '--no-emoji', '--no-color'];
    const { exitCode, stdout } = await execa('attw', args, { preferLocal: true, reject: false, cwd: ROOT });
    expect(exitCode, stdout).toBe(0);
  });

  it('a published package contains no tests, fakes or sources', () => {
    const { files } = packed(name);
    expect(files).toContain('LICENSE');
    expect(files).toContain('README.md');
    expect(files.filter((path) => /\.(spec|e2e)\.|testing|fake|(?<!\.d)\.ts$/.test(path))).toEqual([]);
  });

  it('a published package refers only to files that it contains', () => {
    const { exports, executors, generators, schema } = manifest(name);
    const targets = Object.values(exports).flatMap((entry) =>
      typeof entry === 'string' ? [entry] : Object.values(entry as Record<string, string>),
    );
    for (const list of [executors, generators, schema].filter((path) => path !== undefined)) {
      const { executors: all = {}, generators: more = {} } = JSON.parse(read(name, list));
      for (const entry of Object.values({ ...all, ...more }) as Record<string, string>[]) {
        for (const key of ['implementation', 'factory', 'schema', 'hasher']) {
          if (entry[key] !== undefined) targets.push(entry[key].replace(/#.*/, ''));
        }
      }
    }
    expect(targets.filter((path) => !existsSync(join(packed(name).folder, path)))).toEqual([]);
  });

  it('a published package declares every package that it imports, and imports only files that it contains', () => {
    const { dependencies = {}, peerDependencies = {} } = manifest(name);
    const declared = [...Object.keys(dependencies), ...Object.keys(peerDependencies), name];
    const wrong = packed(name)
      .files.filter((path) => /\.(c?js|d\.ts)$/.test(path))
      .flatMap((path) => {
        const { importedFiles } = ts.preProcessFile(read(name, path), true, true);
        return importedFiles.map(({ fileName }) => ({ path, fileName }));
      })
      .filter(({ path, fileName }) => {
        if (fileName.startsWith('.')) return !existsSync(join(packed(name).folder, dirname(path), fileName));
        return !isBuiltin(fileName) && !declared.some((one) => `${fileName}/`.startsWith(`${one}/`));
      });
    expect(wrong).toEqual([]);
  });

  it('a published package requires a Node version that all of its dependencies support', async () => {
    const { engines, dependencies = {} } = manifest(name);
    for (const dependency of Object.keys(dependencies)) {
      const path = [
        join(folder, 'node_modules'),
        join(ROOT, 'libs/nx/node_modules'),
        join(ROOT, 'node_modules'),
      ]
        .map((base) => join(base, dependency, 'package.json'))
        .find((file) => existsSync(file));
      const { engines: theirs } = JSON.parse(await readFile(path ?? dependency, 'utf8'));
      expect(subset(engines.node, theirs?.node ?? '*'), dependency).toBe(true);
    }
  });

  it('a published package uses no syntax that its oldest supported Node does not know', () => {
    const scripts = packed(name).files.filter((path) => path.endsWith('.js'));
    expect(scripts.filter((path) => /^\s*(?:await )?using \w+ =/m.test(read(name, path)))).toEqual([]);
  });

  it('a published package has source maps with its sources, and no paths of this machine', () => {
    const { bundled } = sourceManifest(name);
    for (const path of packed(name).files.filter((path) => path.endsWith('.map'))) {
      const { sources } = JSON.parse(read(name, path));
      const own = sources.filter((source: string) => /^(\.\.\/)+src\/[\w/.-]+\.ts$/.test(source));
      if (bundled === undefined) expect(own).toHaveLength(1);
      const others = sources.filter((source: string) => !own.includes(source));
      expect(
        others.filter((source: string) => !/^\.\.\/node_modules\/[\w/.@-]+\.m?js$/.test(source)),
      ).toEqual([]);
    }
    expect(packed(name).files.filter((path) => read(name, path).includes(ROOT))).toEqual([]);
  });
});

describe('what every run of Nx loads from @prebuilt/nx', () => {
  // In a separate process, like Nx's own, where nothing is loaded yet.
  const loadedBy = async (path: string): Promise<readonly string[]> => {
    const { folder: root } = packed('@prebuilt/nx');
    const loaded = await runModule(`
      import { createRequire, registerHooks } from 'node:module';
      const urls = [];
      registerHooks({ load(url, context, next) { urls.push(url); return next(url, context); } });
      createRequire(import.meta.url)(${JSON.stringify(join(root, path))});
      console.log(JSON.stringify(urls));`);
    return (loaded as readonly string[])
      .filter((url) => url.startsWith('file:'))
      .map((url) => relative(root, fileURLToPath(url)));
  };

  it.each([
    ['dist/hasher.cjs', ['dist/hasher.cjs', 'dist/hasher.js']],
    ['dist/image-hasher.cjs', ['dist/hasher.cjs', 'dist/hasher.js', 'dist/image-hasher.cjs']],
    ['dist/plugin.js', ['dist/plugin.js']],
  ])('Nx loads only a few large files for %s', async (path, own) => {
    expect((await loadedBy(path)).toSorted()).toEqual([
      expect.stringMatching(/^dist\/bundled-[\w-]+\.js$/),
      'dist/errors.js',
      ...own,
      // Its name and version.
      'package.json',
    ]);
  });

  it('Nx loads no code that a cache hit does not need', () => {
    const sources = packed('@prebuilt/nx')
      .files.filter((path) => /^dist\/(hasher|plugin|bundled-[\w-]+)\.js\.map$/.test(path))
      .flatMap((path): readonly string[] => JSON.parse(read('@prebuilt/nx', path)).sources);
    const rooms = new Set(sources.flatMap((source) => /^\.\.\/src\/(\w+)\//.exec(source)?.[1] ?? []));
    expect([...rooms].sort()).toEqual([
      'artifacts',
      'configuration',
      'executors',
      'files',
      'image',
      'keys',
      'lock',
      'process',
      'sysroot',
      'toolchains',
      'version',
    ]);
    expect(sources.filter((source) => /src\/image\/(base|daemonless|context)/.test(source))).toEqual([]);
    const packages = sources.flatMap((source) => /node_modules\/([\w-]+)\//.exec(source)?.[1] ?? []);
    expect([...new Set(packages)].sort()).toEqual([
      'balanced-match',
      'brace-expansion',
      'leven',
      'minimatch',
      'semver',
      'valibot',
    ]);
  });

  it('@prebuilt/nx has no class in two files, which instanceof would not recognize', () => {
    const classes = packed('@prebuilt/nx')
      .files.filter((path) => path.endsWith('.js'))
      .flatMap((path) => [
        ...read('@prebuilt/nx', path).matchAll(/^\s*(?:export )?(?:(?:const|let|var) \w+ = )?class (\w+)/gm),
      ])
      .map(([, name]) => name);
    expect(classes).toContain('PrebuiltError');
    expect(classes).toEqual([...new Set(classes)]);
  });
});

describe.each(SCOPES)('the packages published under %s', (scope) => {
  it('the published packages mention no other scope', () => {
    const found = ['elf', 'oci', 'nx'].flatMap((name) =>
      packed(`${scope}/${name}`)
        .files.filter((path) =>
          /@(prebuilt|acme)\//.test(read(`${scope}/${name}`, path).replaceAll(`${scope}/`, '')),
        )
        .map((path) => `${name}/${path}`),
    );
    expect(found).toEqual([]);
  });

  it('@prebuilt/nx depends on exactly the other two packages', () => {
    const { version, dependencies } = manifest(`${scope}/nx`);
    expect(dependencies).toMatchObject({ [`${scope}/elf`]: version, [`${scope}/oci`]: version });
    expect(Object.keys(dependencies).filter((name) => /^@(prebuilt|acme)\//.test(name))).toHaveLength(2);
  });

  it('every published executor and hasher is a function', async () => {
    const list = JSON.parse(read(`${scope}/nx`, 'executors.json')).executors;
    const parts = (Object.values(list) as Record<string, string>[]).flatMap(({ implementation, hasher }) =>
      hasher === undefined ? [`${implementation}#default`] : [`${implementation}#default`, hasher],
    );
    // The way Nx loads them.
    const kinds = await runModule(`
      import { createRequire } from 'node:module';
      const require = createRequire('${packed(`${scope}/nx`).folder}/executors.json');
      const parts = ${JSON.stringify(parts)}.map((part) => part.split('#'));
      console.log(JSON.stringify(parts.map(([path, name]) => typeof require(path)[name])));`);
    expect(kinds).toEqual(parts.map(() => 'function'));
  });

  it('the published package reads a layer in a separate thread', async () => {
    const entries = await runModule(`
      import { mkdir } from 'node:fs/promises';
      import { startLayerThreads, writeLayer } from '${scope}/oci';
      const bytes = Buffer.alloc(3_000_000, 'x');
      const entry = { type: 'file', path: 'app', mode: 0o755, uid: 0, gid: 0, mtime: 0, size: bytes.length };
      const content = async function* () { yield bytes; };
      const reading = { compression: 'none' };
      const blobs = '${folder}/blobs/sha256';
      await mkdir(blobs, { recursive: true });
      const { descriptor, diffId } = await writeLayer(blobs, [{ ...entry, content }], reading);
      await using threads = startLayerThreads([descriptor.size]);
      const entries = await threads.read('${folder}', descriptor, { ...reading, diffId });
      console.log(JSON.stringify(entries.map(({ path, size }) => [path, size])));`);
    expect(entries).toEqual([['app', 3_000_000]]);
  });

  it.each(['elf', 'oci', 'nx'])('%s exports what its README imports', async (name) => {
    const blocks = read(`${scope}/${name}`, 'README.md').matchAll(/^```[jt]s\n(.*?)^```/gms);
    const imports = [...blocks].flatMap(([, block]) => block?.match(/^import .*$/gm) ?? []);
    await runModule(`${imports.join('\n')}\nconsole.log(${imports.length})`);
  });
});
