import { execFileSync, spawnSync } from 'node:child_process';
import { chmod, cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { skipOutsideCi } from '@prebuilt/testing/engine';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { executablesOf } from '../src/artifacts/manifest.ts';

// Of both classes and byte orders.
const PLATFORMS = ['linux/amd64', 'linux/arm/v6', 'linux/s390x'];

import {
  BUILT_VERSION,
  buildIn,
  checksumsIn,
  keyIn,
  type ToolchainBuild,
  verifyIn,
} from '../testing/toolchain-build.ts';

const HAS_GO = spawnSync('go', ['version']).status === 0;

// With few packages of the standard library: each is compiled once more for each platform.
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
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), content);
  }
  return root;
}
beforeEach(({ skip }) => {
  if (!HAS_GO) skipOutsideCi('there is no Go: apt-get install golang-go', skip);
});
afterEach(() => {
  for (const name of Object.keys(HOSTILE)) delete process.env[name];
});
afterAll(() => Promise.all(made.map((root) => rm(root, { recursive: true, force: true }))));

describe('a program of Go with two executables', () => {
  let root: string;
  beforeAll(async () => {
    if (!HAS_GO) return;
    root = await workspace();
    await buildIn(root, { ...SERVER, platforms: [...PLATFORMS] });
  });

  it('a program of Go with two executables is made for platforms of both classes and byte orders, static, and passes verification', async () => {
    const reports = await verifyIn(root);
    expect(reports.map(({ platform, result }) => [platform, result])).toEqual(
      [...PLATFORMS].sort().map((platform) => [platform, 'passed']),
    );
    expect(reports.some(({ execution }) => execution.how === 'native')).toBe(true);
    const lines = (await checksumsIn(root)).trim().split('\n');
    expect(lines).toHaveLength(PLATFORMS.length * 2);
  });

  it('a program of Go with two executables is made of the modules that `go version -m` shows', async () => {
    const { manifest } = await buildIn(root, SERVER);
    const [artifact] = manifest.platforms;
    if (artifact === undefined) throw new Error('no platform');
    const purls = manifest.components.map(({ purl }) => purl);
    const shown = executablesOf(artifact).flatMap(({ path }) => {
      const text = execFileSync('go', ['version', '-m', join(root, 'dist/bin', path)], { encoding: 'utf8' });
      const compiler = /: go(\S+)/.exec(text)?.[1];
      const modules = [...text.matchAll(/^\t(?:mod|dep)\t(\S+)/gm)].map(([, path]) => `pkg:golang/${path}`);
      return [`pkg:golang/stdlib@${compiler}`, ...modules];
    });
    expect(purls).toEqual([...new Set(shown)].sort());
    expect(manifest.toolchain).toEqual({ name: 'go', version: /@(.*)/.exec(purls.at(-1) ?? '')?.[1] });
  });

  it('fails verification where its modules are not those of the manifest', async () => {
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

  it('a program of Go with two executables has the same bytes from another folder and in a hostile environment', async () => {
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

describe('the key of a program of Go', () => {
  it.each<[string, string, string, boolean]>([
    ['a file of a module elsewhere in the workspace', 'libs/greeting/greeting.go', '\n// more\n', true],
    ['a file that is embedded', 'apps/server/cmd/server/note.txt', '!', true],
    ['a file that is not compiled', 'apps/server/README.md', '!', false],
    ['a test', 'apps/server/cmd/server/main_test.go', 'package main\n', false],
  ])('the key of a program of Go after a change of %s: %s', async (_, path, more, moves) => {
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

describe('a program of Go that can not be made', () => {
  it.each<[string, Readonly<Record<string, string>>, ToolchainBuild, string]>([
    ['without a go.mod', { 'main.go': 'package main\n' }, plain(), 'expected a go.mod'],
    ['without a main package', { ...PLAIN, 'main.go': 'package lib\n' }, plain(), 'expected a main package'],
    [
      'with several main packages',
      { ...PLAIN, 'cmd/a/main.go': PLAIN['main.go'] },
      plain(),
      'expected one main package, found ., ./cmd/a',
    ],
    [
      'with a package that is not there',
      PLAIN,
      plain({ package: './cmd/z' }),
      'expected the main package ./cmd/z in',
    ],
    [
      'without the variable that was named',
      PLAIN,
      plain({ version: 'main.release' }),
      'expected a string variable main.release',
    ],
    [
      'with a variable that the linker can not set',
      { ...PLAIN, 'main.go': `${PLAIN['main.go']}\nvar release = word()\n` },
      plain({ version: 'main.release' }),
      'expected a string variable main.release',
    ],
    [
      'that needs cgo, which is off',
      { ...PLAIN, 'main.go': 'package main\n\nimport "C"\n\nfunc main() {}\n' },
      plain(),
      'needs cgo on linux/amd64, and cgo is off',
    ],
    [
      'with cgo and no C compiler',
      PLAIN,
      plain({ cgo: true, compilers: { 'linux/amd64': 'no-such-compiler' } }),
      'expected the C compiler no-such-compiler, found none',
    ],
    ['for a newer Go', { ...PLAIN, 'go.mod': 'module example.com/plain\n\ngo 1.999\n' }, plain(), 'Go 1.999'],
    [
      'that does not compile',
      { ...PLAIN, 'main.go': 'package main\n\nfunc main() { x }\n' },
      plain(),
      'undefined: x',
    ],
    [
      'with an import that no module has',
      { ...PLAIN, 'main.go': 'package main\n\nimport _ "example.com/absent"\n\nfunc main() {}\n' },
      plain(),
      'example.com/absent',
    ],
  ])('%s is refused', async (_, files, build, message) => {
    await expect(buildIn(await workspace(files), build)).rejects.toMatchObject({
      name: 'PrebuiltError',
      message: expect.stringContaining(message),
    });
  });

  it('a program of Go that can not be made is refused where Go is missing or too old', async () => {
    const root = await workspace(PLAIN);
    const path = process.env.PATH;
    try {
      process.env.PATH = join(root, 'nowhere');
      await expect(buildIn(root, plain())).rejects.toMatchObject({ code: 'TOOLCHAIN', hint: /Install Go/ });
      const old = join(root, 'old/go');
      await mkdir(dirname(old));
      await writeFile(old, `#!/bin/sh\necho '{"GOVERSION":"go1.13.4","GOMOD":"${root}/go.mod"}'\n`);
      await chmod(old, 0o755);
      process.env.PATH = `${dirname(old)}:${path}`;
      await expect(buildIn(root, plain())).rejects.toThrow('expected 1.19 or newer, found 1.13.4');
    } finally {
      process.env.PATH = path;
    }
  });

  it('a program of Go is made without its version where it has no main.version, and says so', async () => {
    const { lines } = await buildIn(await workspace(PLAIN), plain());
    expect(lines).toContain(
      'example.com/plain: has no string variable main.version: the executable does not know its version',
    );
  });

  it('a program of Go is made from a copy of a whole workspace as well, the version embedded', async () => {
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
