import { execFile, spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openElf } from '../src/elf.ts';
import { type GoBuildInfo, readGoBuildInfo } from '../src/go/build-info.ts';
import type { GoModule } from '../src/go/modules.ts';
import { withFileSource } from '../src/source.ts';

const HAS_GO = spawnSync('go', ['version']).status === 0;
const FILES = {
  'go.mod': [
    'module example.com/hello',
    'go 1.19',
    'require example.com/dep v1.2.3',
    'require example.com/unused v1.0.0',
    'replace example.com/dep => ./dep',
    'replace example.com/unused => ./unused',
  ],
  'main.go': [
    'package main',
    'import "example.com/dep"',
    'var version string',
    'func main() { println(dep.Name, version) }',
  ],
  'dep/go.mod': ['module example.com/dep', 'go 1.19'],
  'dep/dep.go': ['package dep', 'const Name = "dep"'],
  'unused/go.mod': ['module example.com/unused', 'go 1.19'],
} as const;

// Uses none of the machine's own settings, and downloads nothing.
const SETTINGS = {
  CGO_ENABLED: '0',
  GOENV: 'off',
  GOFLAGS: '',
  GOPROXY: 'off',
  GOTOOLCHAIN: 'local',
  GOWORK: 'off',
};

let folder: string;
const go = async (args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<string> =>
  (await promisify(execFile)('go', args, { cwd: folder, env: { ...process.env, ...SETTINGS, ...env } }))
    .stdout;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'go-'));
  for (const [path, lines] of Object.entries(FILES)) {
    await mkdir(join(folder, path, '..'), { recursive: true });
    await writeFile(join(folder, path), `${lines.join('\n')}\n`);
  }
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe('readGoBuildInfo', () => {
  it.for<readonly [string, Readonly<Record<string, string>>, Readonly<Record<string, unknown>>]>([
    ['amd64', {}, { class: 64, machine: 'x86_64' }],
    ['arm', { GOARM: '6' }, { class: 32, machine: 'arm' }],
    ['s390x', {}, { class: 64, byteOrder: 'big', machine: 's390' }],
  ])(
    'agrees with `go version -m` on a program built by Go for linux/%s',
    async ([arch, env, facts], { skip }) => {
      if (!HAS_GO && !process.env.CI) skip('needs Go: apt-get install golang-go');
      const flags = ['-ldflags=-s -w -X "main.version=1.2.3 beta"', '-buildvcs=false', '-o', arch];
      await go(['build', ...flags, '.'], { GOOS: 'linux', GOARCH: arch, ...env });
      const path = join(folder, arch);
      expect(await openElf(path)).toMatchObject({ type: 'exec', static: true, ...facts });
      const info = await withFileSource(path, readGoBuildInfo);
      expect(info).toEqual(told(await go(['version', '-m', arch])));
      expect(info).toMatchObject({
        path: 'example.com/hello',
        dependencies: [{ path: 'example.com/dep', replacedBy: { path: './dep' } }],
        settings: { GOARCH: arch, '-ldflags': '-s -w -X "main.version=1.2.3 beta"', ...env },
      });
    },
  );
});

/** Parses the output of `go version -m`. */
function told(text: string): GoBuildInfo {
  const lines = text.split('\n').map((line) => line.split('\t'));
  const modules: Record<string, GoModule[]> = { mod: [], dep: [] };
  let last: GoModule[] = [];
  for (const [, kind = '', path = '', version = '', sum = ''] of lines) {
    const module = { path, version, sum: sum || null, replacedBy: null };
    if (kind === '=>') last.push({ ...(last.pop() as GoModule), replacedBy: module });
    else if (modules[kind] !== undefined) {
      last = modules[kind];
      last.push(module);
    }
  }
  const settings = lines
    .filter(([, kind]) => kind === 'build')
    .map(([, , setting = '']) => {
      const [key = '', ...value] = setting.split('=');
      // Quotes and escapes in these values are the same as in JSON.
      return [key, value[0]?.startsWith('"') ? JSON.parse(value.join('=')) : value.join('=')];
    });
  return {
    goVersion: /: (\S+)/.exec(text)?.[1] ?? '',
    path: lines.find(([, kind]) => kind === 'path')?.[2] ?? null,
    main: modules.mod?.[0] ?? null,
    dependencies: modules.dep ?? [],
    settings: Object.fromEntries(settings),
  };
}
