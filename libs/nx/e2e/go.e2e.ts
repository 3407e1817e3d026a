import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { chmod, cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { skipOutsideCi } from '@prebuilt/testing/engine';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { parsePlatform } from '../src/artifacts/platform.ts';
import { readGoFacts } from '../src/toolchains/go/environment.ts';
import { settableVariables } from '../src/toolchains/go/version-variable.ts';
import { writeFiles } from '../testing/files.ts';
import { type GoModules, serveGoModules } from '../testing/go-modules.ts';
import { copyHostSysroot, HOST, LOADER } from '../testing/host-sysroot.ts';
import {
  BUILT_VERSION,
  buildIn,
  checksumsIn,
  keyIn,
  type ToolchainBuild,
  verifyIn,
} from '../testing/toolchain-build.ts';

// Both ELF classes and both byte orders.
const PLATFORMS = ['linux/amd64', 'linux/arm/v6', 'linux/s390x'];

const HAS_GO = spawnSync('go', ['version']).status === 0;

// Few packages from the standard library, since each is compiled again for every platform.
const FILES: Readonly<Record<string, string>> = {
  'apps/server/go.mod':
    'module example.com/server\n\ngo 1.19\n\nrequire example.com/greeting v1.0.0\n\nreplace example.com/greeting => ../../libs/greeting\n',
  'apps/server/cmd/server/main.go':
    'package main\n\nimport (\n\t_ "embed"\n\t"syscall"\n\n\t"example.com/greeting"\n)\n\n//go:embed note.txt\nvar note string\n\nvar version = "dev"\n\nfunc main() { syscall.Write(1, []byte(greeting.Word+" "+version+" "+note)) }\n',
  'apps/server/cmd/server/note.txt': 'a note',
  'apps/server/cmd/worker/main.go':
    'package main\n\nimport "syscall"\n\nvar version string\n\nfunc main() { syscall.Write(1, []byte("worker "+version)) }\n',
  'apps/server/README.md': 'read me',
  'libs/greeting/go.mod': 'module example.com/greeting\n\ngo 1.19\n',
  'libs/greeting/greeting.go': 'package greeting\n\nconst Word = "hello"\n',
};

const SERVER: ToolchainBuild = {
  toolchain: { name: 'go', folder: 'apps/server', executables: { worker: './cmd/worker' } },
  platforms: ['linux/amd64'],
};

const HOSTILE = {
  GOFLAGS: '-tags=hostile -race',
  GOAMD64: 'v3',
  GOARM: '5',
  CGO_ENABLED: '1',
  GOOS: 'plan9',
};

const made: string[] = [];
async function workspace(files: Readonly<Record<string, string>> = FILES): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), 'go-'));
  made.push(root);
  await writeFiles(root, files);
  return root;
}
beforeEach(({ skip }) => {
  if (!HAS_GO) skipOutsideCi('there is no Go: apt-get install golang-go', skip);
});
afterEach(() => {
  for (const name of Object.keys(HOSTILE)) delete process.env[name];
});
afterAll(() => Promise.all(made.map((root) => rm(root, { recursive: true, force: true }))));

describe('a Go program with two executables', () => {
  let root: string;
  beforeAll(async () => {
    if (!HAS_GO) return;
    root = await workspace();
    await buildIn(root, { ...SERVER, platforms: [...PLATFORMS] });
  });

  it('a Go program with two executables is built statically for platforms of both classes and byte orders, and passes verification', async () => {
    const reports = await verifyIn(root);
    expect(reports.map(({ platform, result }) => [platform, result])).toEqual(
      [...PLATFORMS].sort().map((platform) => [platform, 'passed']),
    );
    expect(reports.some(({ execution }) => execution.how === 'native')).toBe(true);
    const lines = (await checksumsIn(root)).trim().split('\n');
    expect(lines).toHaveLength(PLATFORMS.length * 2);
  });

  it('a Go program with two executables fails verification if its modules do not match the manifest', async () => {
    await buildIn(root, SERVER);
    const path = join(root, 'dist/bin/manifest.json');
    const text = await readFile(path, 'utf8');
    await writeFile(path, text.replace('pkg:golang/example.com/greeting', 'pkg:golang/example.com/other'));
    const [report] = await verifyIn(root);
    expect(report?.findings).toMatchObject([
      {
        code: 'OTHER_THAN_MANIFEST',
        message: expect.stringContaining(
          'expected pkg:golang/example.com/other, found pkg:golang/example.com/greeting',
        ),
      },
    ]);
  });

  it('a Go program with two executables has the same bytes in another folder and in a hostile environment', async () => {
    const other = await workspace();
    Object.assign(process.env, HOSTILE);
    const platforms = ['linux/amd64', 'linux/arm/v7'];
    await buildIn(root, { ...SERVER, platforms });
    await buildIn(other, { ...SERVER, platforms });
    expect(await checksumsIn(other)).toBe(await checksumsIn(root));
    expect(await verifyIn(other)).toMatchObject([{ result: 'passed' }, { result: 'passed' }]);
    for (const name of Object.keys(HOSTILE)) delete process.env[name];
    await buildIn(other, { ...SERVER, platforms });
    expect(await checksumsIn(other)).toBe(await checksumsIn(root));
  });
});

// Used and unused modules: replaced by another module and by a folder, a higher major version with and without its
// path, without a version, used only on one platform, and used only by tests.
const MODULES: GoModules = {
  'example.com/direct@v1.2.3': {
    'go.mod': 'module example.com/direct\n\nrequire example.com/indirect v0.4.0\n',
    'direct.go': 'package direct\n\nimport "example.com/indirect"\n\nconst Word = indirect.Word\n',
    LICENSE: readFileSync(new URL('../../../node_modules/leven/license', import.meta.url), 'utf8'),
    'other/other.go': 'package other\n\nimport _ "example.com/beyond"\n',
  },
  'example.com/indirect@v0.4.0': {
    'indirect.go': 'package indirect\n\nconst Word = "word"\n',
    LICENSE: 'Ask me.\n',
  },
  'example.com/indirect@v0.3.0': { 'indirect.go': 'package indirect\n\nconst Word = "old"\n' },
  'example.com/major/v2@v2.3.0': { 'major.go': 'package major\n' },
  'example.com/early@v3.0.0+incompatible': { 'early.go': 'package early\n' },
  'example.com/commit@v0.0.0-20260102030405-0123456789ab': { 'commit.go': 'package commit\n' },
  'example.com/forked@v1.0.0': { 'forked.go': 'package forked\n' },
  'example.com/fork@v1.0.1': { 'go.mod': 'module example.com/forked\n', 'forked.go': 'package forked\n' },
  'example.com/mainframe@v1.1.0': { 'mainframe.go': 'package mainframe\n' },
  'example.com/tested@v1.0.0': { 'tested.go': 'package tested\n' },
  'example.com/unused@v1.0.0': { 'unused.go': 'package unused\n' },
};
const imports = (...paths: readonly string[]): string =>
  `package main\n\nimport (\n${paths.map((path) => `\t_ "example.com/${path}"\n`).join('')})\n`;
const MODULAR = {
  'go.mod': [
    'module example.com/modular',
    'go 1.19',
    ...['direct v1.2.3', 'indirect v0.3.0', 'major/v2 v2.3.0', 'early v3.0.0+incompatible'],
    ...['commit v0.0.0-20260102030405-0123456789ab', 'forked v1.0.0', 'mainframe v1.1.0', 'tested v1.0.0'],
    ...['unused v1.0.0', 'local v1.0.0'],
    'replace example.com/forked => example.com/fork v1.0.1',
    'replace example.com/local => ./local',
  ]
    .map((line) => (/^\S+ v/.test(line) ? `require example.com/${line}` : line))
    .join('\n'),
  'main.go': `${imports('direct', 'major/v2', 'early', 'commit', 'forked', 'local')}\nfunc main() {}\n`,
  'main_s390x.go': imports('mainframe'),
  'main_test.go': imports('tested'),
  'tools.go': `//go:build tools\n\n${imports('unused')}`,
  'local/go.mod': 'module example.com/local\n',
  'local/local.go': 'package local\n',
};

it('the manifest lists exactly the modules that `go version -m` shows for each platform', async () => {
  const root = await workspace(MODULAR);
  const environment = await serveGoModules(await mkdtemp(join(tmpdir(), 'go-modules-')), MODULES);
  made.push(dirname(environment.GOMODCACHE ?? ''));
  const tidy = ['mod', 'tidy', '-modcacherw'];
  execFileSync('go', tidy, { cwd: root, env: { ...process.env, ...environment }, stdio: 'pipe' });
  Object.assign(process.env, environment);
  try {
    const { manifest } = await buildIn(root, { ...plain(), platforms: ['linux/amd64', 'linux/s390x'] });
    for (const { platform, path, components } of manifest.platforms) {
      const purls = [...manifest.components, ...components].map(({ purl }) => purl).sort();
      expect(purls, platform).toEqual(shownModules(join(root, 'dist/bin', path)));
      expect(purls.filter((purl) => !purl.includes('/stdlib@'))).toEqual([
        'pkg:golang/example.com/commit@v0.0.0-20260102030405-0123456789ab',
        'pkg:golang/example.com/direct@v1.2.3',
        'pkg:golang/example.com/early@v3.0.0+incompatible',
        'pkg:golang/example.com/fork@v1.0.1',
        'pkg:golang/example.com/indirect@v0.4.0',
        'pkg:golang/example.com/local',
        ...(platform === 'linux/s390x' ? ['pkg:golang/example.com/mainframe@v1.1.0'] : []),
        'pkg:golang/example.com/major/v2@v2.3.0',
        'pkg:golang/example.com/modular',
      ]);
    }
    expect(manifest.components.filter(({ license }) => license !== undefined)).toEqual([
      { kind: 'library', purl: 'pkg:golang/example.com/direct@v1.2.3', license: 'MIT' },
      expect.objectContaining({ kind: 'framework', license: 'BSD-3-Clause' }),
    ]);
    expect(manifest.toolchain).toEqual({
      name: 'go',
      version: /@(.*)/.exec(manifest.components.at(-1)?.purl ?? '')?.[1],
    });
    expect((await verifyIn(root, [])).map(({ result }) => result)).toEqual(['passed', 'passed']);
    // The same result from a vendor folder, without a module cache.
    execFileSync('go', ['mod', 'vendor'], { cwd: root, stdio: 'pipe' });
    Object.assign(process.env, { GOPROXY: 'off', GOMODCACHE: join(root, 'empty') });
    const vendored = await buildIn(root, plain());
    expect(vendored.manifest.components).toEqual(manifest.components);
    const key = await keyIn(root, plain());
    await writeFile(join(root, 'vendor/example.com/early/early.go'), 'package early\n\nvar More int\n');
    expect(await keyIn(root, plain())).not.toBe(key);
  } finally {
    for (const name of Object.keys(environment)) delete process.env[name];
  }
});

/** The package URLs of what `go version -m` shows for an executable, sorted. */
function shownModules(file: string): readonly string[] {
  const text = execFileSync('go', ['version', '-m', file], { encoding: 'utf8' });
  const compiler = /: go(\S+)/.exec(text)?.[1];
  const purls = [`pkg:golang/stdlib@${compiler}`];
  for (const [, kind, path = '', version = ''] of text.matchAll(/^\t(mod|dep|=>)\t(\S+)\t(\S*)/gm)) {
    const isFolder = path.startsWith('.');
    const former = kind === '=>' ? purls.pop() : undefined;
    const known = version === '(devel)' ? '' : `@${version}`;
    purls.push(isFolder ? (former?.split('@')[0] ?? '') : `pkg:golang/${path}${known}`);
  }
  return purls.sort();
}

it('a Go program is refused if its executable is for another machine', async () => {
  const root = await workspace();
  const real = execFileSync('sh', ['-c', 'command -v go'], { encoding: 'utf8' }).trim();
  const script = `#!/bin/sh\nif [ "$1" = build ]; then GOARCH=s390x; fi\nexec ${real} "$@"\n`;
  await mkdir(join(root, 'bin'));
  await writeFile(join(root, 'bin/go'), script, { mode: 0o755 });
  const path = process.env.PATH;
  try {
    process.env.PATH = `${join(root, 'bin')}:${path}`;
    const server = { ...SERVER, toolchain: { name: 'go', folder: 'apps/server' } };
    await expect(buildIn(root, server)).rejects.toMatchObject({
      code: 'TOOLCHAIN',
      message: expect.stringContaining(
        'linux/amd64: server-linux-amd64: expected a 64-bit little-endian x86_64 executable',
      ),
      hint: expect.stringContaining('the toolchain go'),
    });
  } finally {
    process.env.PATH = path;
  }
});

it('a Go program with cgo has the same bytes in any folder, and the C library from the sysroot', async () => {
  const files = {
    'go.mod': 'module example.com/mixed\n\ngo 1.19\n',
    'main.go':
      'package main\n\n// #include "half.h"\nimport "C"\nimport "syscall"\n\nvar version string\n\nfunc main() { syscall.Write(int(C.half(2)), []byte(version)) }\n',
    'half.h': 'int half(int whole);\n',
    'half.c': '#include "half.h"\n#include <stdlib.h>\nint half(int whole) { return abs(whole) / 2; }\n',
  };
  const build = { ...plain({ cgo: true }), platforms: [HOST], sysroot: 'sysroots' };
  const roots = [await workspace(files), await workspace(files)] as const;
  for (const root of roots) {
    await copyHostSysroot(join(root, 'sysroots'), ['libc.so.6']);
    const { manifest } = await buildIn(root, build);
    expect(manifest.platforms[0]?.runtime.files.map(({ path }) => path)).toContain(LOADER);
    expect(await verifyIn(root)).toMatchObject([{ result: 'passed', execution: { how: 'native' } }]);
  }
  expect(await checksumsIn(roots[0])).toBe(await checksumsIn(roots[1]));
  const key = await keyIn(roots[0], build);
  expect(await keyIn(roots[1], build)).toBe(key);
  await writeFile(join(roots[0], 'half.h'), '/* changed */ int half(int whole);\n');
  expect(await keyIn(roots[0], build)).not.toBe(key);
});

describe('the cache key of a Go program', () => {
  it.each<[string, string, string, boolean]>([
    ['a file in a module elsewhere in the workspace', 'libs/greeting/greeting.go', '\n// more\n', true],
    ['an embedded file', 'apps/server/cmd/server/note.txt', '!', true],
    ['a file that is not compiled', 'apps/server/README.md', '!', false],
    ['a test', 'apps/server/cmd/server/main_test.go', 'package main\n', false],
    ['the language version', 'apps/server/go.mod', '\n// go 1.22\n', true],
    ['the language version elsewhere', 'libs/greeting/go.mod', '\n// go 1.22\n', true],
    ['the module checksums', 'apps/server/go.sum', 'example.com/x v1.0.0 h1:x\n', true],
    ['the profile for the compiler', 'apps/server/cmd/server/default.pgo', 'x', true],
  ])('the cache key of a Go program changes with %s: %s', async (_, path, more, moves) => {
    const root = await workspace();
    const before = await keyIn(root, SERVER);
    await writeFile(join(root, path), `${await readFile(join(root, path), 'utf8').catch(() => '')}${more}`);
    expect((await keyIn(root, SERVER)) !== before).toBe(moves);
  });
});

const PLAIN = {
  'go.mod': 'module example.com/plain\n\ngo 1.19\n',
  'main.go': 'package main\n\nfunc word() string { return "plain" }\n\nfunc main() { println(word()) }\n',
};
const plain = (toolchain: Readonly<Record<string, unknown>> = {}): ToolchainBuild => ({
  toolchain: { name: 'go', ...toolchain },
  platforms: ['linux/amd64'],
});

describe('a Go program that cannot be built', () => {
  it.each<[string, Readonly<Record<string, string>>, ToolchainBuild, string, string]>([
    [
      'in a missing folder',
      PLAIN,
      plain({ folder: 'nowhere' }),
      'toolchain.folder: expected a folder, found none',
      '"folder" is relative to',
    ],
    ['without a go.mod', { 'main.go': 'package main\n' }, plain(), 'expected a go.mod', 'go mod init'],
    [
      'without a main package',
      { ...PLAIN, 'main.go': 'package lib\n' },
      plain(),
      'expected a main package',
      '"package main"',
    ],
    [
      'with several main packages',
      { ...PLAIN, 'cmd/a/main.go': PLAIN['main.go'] },
      plain(),
      'expected one main package, found ., ./cmd/a',
      'list the others to ship in "executables"',
    ],
    [
      'with a missing package',
      PLAIN,
      plain({ package: './cmd/z' }),
      'expected the main package ./cmd/z in',
      'Use one of those',
    ],
    [
      'without the specified variable',
      PLAIN,
      plain({ version: 'main.release' }),
      'expected a string variable main.release',
      'var version string',
    ],
    [
      'with a variable that the linker cannot set',
      { ...PLAIN, 'main.go': `${PLAIN['main.go']}\nvar release = word()\n` },
      plain({ version: 'main.release' }),
      'expected a string variable main.release',
      '{"version": false}',
    ],
    [
      'that needs cgo without enabling it',
      { ...PLAIN, 'main.go': 'package main\n\nimport "C"\n\nfunc main() {}\n' },
      plain(),
      'needs cgo on linux/amd64, but cgo is off',
      '"cgo": true',
    ],
    [
      'with cgo and a missing C compiler',
      PLAIN,
      plain({ cgo: true, compilers: { 'linux/amd64': 'no-such-compiler' } }),
      'expected the C compiler no-such-compiler, found none',
      'Install it (Debian: gcc-x86-64-linux-gnu), or set another: {"compilers": {"linux/amd64": "…"}}',
    ],
    [
      'that needs a newer Go',
      { ...PLAIN, 'go.mod': 'module example.com/plain\n\ngo 1.999\n' },
      plain(),
      'go.mod requires Go 1.999, found 1.',
      'Install a newer Go',
    ],
    [
      'that does not compile',
      { ...PLAIN, 'main.go': 'package main\n\nfunc main() { x }\n' },
      plain(),
      'undefined: x',
      '',
    ],
    [
      'without files for a platform',
      { ...PLAIN, 'main_riscv64.go': PLAIN['main.go'], 'main.go': 'package main\n\nfunc word() {}\n' },
      plain(),
      'function main is undeclared in the main package',
      '',
    ],
    [
      'with a package without files for the platform',
      {
        ...PLAIN,
        'main.go': 'package main\n\nimport _ "example.com/plain/only"\n\nfunc main() {}\n',
        'only/only_riscv64.go': 'package only\n',
      },
      plain(),
      'expected files for that platform, found only only_riscv64.go',
      'GOOS=linux GOARCH=amd64 CGO_ENABLED=0 go build ./...',
    ],
    [
      'with an import that no module provides',
      { ...PLAIN, 'main.go': 'package main\n\nimport _ "example.com/absent"\n\nfunc main() {}\n' },
      plain(),
      'example.com/absent',
      '`go mod tidy` adds missing lines to go.mod and go.sum',
    ],
    [
      'with an unreadable go.mod',
      { ...PLAIN, 'go.mod': 'modulo\n' },
      plain(),
      'unknown directive: modulo',
      'go',
    ],
  ])('a Go program %s is refused', async (_, files, build, message, hint) => {
    await expect(buildIn(await workspace(files), build)).rejects.toMatchObject({
      name: 'PrebuiltError',
      code: hint === '' ? 'COMPILE_FAILED' : 'TOOLCHAIN',
      message: expect.stringContaining(message),
      hint: hint === '' ? undefined : expect.stringContaining(hint),
    });
  });

  it('a Go program is refused if Go is missing or too old', async () => {
    const root = await workspace(PLAIN);
    const path = process.env.PATH;
    try {
      process.env.PATH = join(root, 'nowhere');
      await expect(buildIn(root, plain())).rejects.toMatchObject({
        code: 'TOOLCHAIN',
        message: 'go: expected a program in PATH, found none',
        hint: expect.stringContaining('Install Go'),
      });
      const old = join(root, 'old/go');
      await mkdir(dirname(old));
      await writeFile(old, `#!/bin/sh\necho '{"GOVERSION":"go1.13.4","GOMOD":"${root}/go.mod"}'\n`);
      await chmod(old, 0o755);
      process.env.PATH = `${dirname(old)}:${path}`;
      await expect(buildIn(root, plain())).rejects.toMatchObject({
        message: 'go: expected 1.19 or newer, found 1.13.4',
        hint: expect.stringContaining('Install a newer Go'),
      });
    } finally {
      process.env.PATH = path;
    }
  });

  it('a Go program is built without its version if it has no main.version, with a message', async () => {
    const root = await workspace(PLAIN);
    const { lines } = await buildIn(root, plain());
    expect(lines).toContain(
      'example.com/plain has no string variable main.version: the executable won’t know its version',
    );
    const [refused] = await verifyIn(root);
    expect(refused?.findings).toMatchObject([
      { code: 'WRONG_VERSION', message: expect.stringContaining('{"verify": {"printsVersion": false}}') },
    ]);
    expect(await verifyIn(root, [])).toMatchObject([
      { result: 'passed', execution: { how: 'none', reason: expect.stringContaining('only its structure') } },
    ]);
  });

  it('a Go program gets its version only on platforms whose files have the variable', async () => {
    const root = await workspace({ ...PLAIN, 'version_amd64.go': 'package main\n\nvar version string\n' });
    const query = { facts: await readGoFacts(root, root), folder: root, tags: [], cgo: false };
    const platforms = ['linux/amd64', 'linux/s390x'].map(parsePlatform);
    const packages = [{ importPath: 'example.com/plain', path: '.' }];
    const settable = await settableVariables(query, platforms, 'main.version', packages);
    expect([...settable.values()].map((each) => [each.packages.length, each.told.length])).toEqual([
      [1, 0],
      [0, 1],
    ]);
  });

  it('a Go program is also built from a copy of a whole workspace, with its version embedded', async () => {
    const root = await workspace();
    const copy = `${root}-copy`;
    made.push(copy);
    await cp(root, copy, { recursive: true });
    await buildIn(copy, {
      ...SERVER,
      toolchain: { name: 'go', folder: 'apps/server', package: 'cmd/worker' },
    });
    const printed = execFileSync(join(copy, 'dist/bin/server-linux-amd64'), { encoding: 'utf8' });
    expect(printed.trim()).toBe(`worker ${BUILT_VERSION}`);
  });
});
