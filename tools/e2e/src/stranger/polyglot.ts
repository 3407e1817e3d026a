import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { CHECKSUMS_FILE, parseChecksums } from '@prebuilt/nx/artifacts';
import { type EngineEnvironment, emulateArm } from '@prebuilt/testing/engine';
import { GIT_AUTHOR } from '@prebuilt/testing/git';
import { execa } from 'execa';
import { OWN_ARCHITECTURE } from '../testing/clone.ts';
import {
  missingProgram,
  runOk,
  type TaskResults,
  THIS_WORKSPACE,
  userEnvironment,
} from '../testing/workspace.ts';
import { copyLocked } from './locked.ts';
import { MANAGERS } from './managers.ts';
import type { PackageRegistry } from './package-registry.ts';
import { npmSettings, type Tools } from './tools.ts';
import { commandsIn, installWithBun, type WorkspaceCommands } from './workspace.ts';

const EXAMPLE = 'examples/polyglot';
const ALL = ['amd64', 'arm64', 'arm/v7'];

/**
 * The programs of the example: their architectures, how each is run, and what it prints. The Rust program has only one
 * architecture, since Debian's Rust has no other standard library. So does the server, unlike in the example, since Go
 * takes 20 s to compile net/http for each; `legacy` is a smaller program in Go.
 */
export const PROGRAMS: readonly {
  readonly name: string;
  readonly architectures: readonly string[];
  readonly args: readonly string[];
  readonly prints: RegExp;
}[] = [
  // Each certificate in the image's bundle is an authority that the server trusts.
  {
    name: 'server',
    architectures: ['amd64'],
    args: ['--authorities'],
    prints: /^[1-9]\d\d+ authorities$/,
  },
  { name: 'cli', architectures: ['amd64'], args: ['--version'], prints: /^cli 0\.0\.0-dev$/ },
  { name: 'tool', architectures: ['amd64', 'arm64'], args: ['--version'], prints: /^tool 0\.0\.0-dev$/ },
  { name: 'probe', architectures: ALL, args: ['--version'], prints: /^probe 0\.0\.0-dev$/ },
  { name: 'legacy', architectures: ALL, args: [], prints: /^legacy$/ },
];

/** What the example's README asks for before platforms are added to its C program. */
const CROSS_COMPILERS = ['aarch64-linux-gnu-gcc', 'arm-linux-gnueabihf-gcc'];
/** Programs that are built for other platforms than the example says. */
const OTHERS = ['probe', 'server'];
const IMPORTED = 'apps/legacy/prebuilt.json';
const GO_MODULES = 'example.com/polyglot';
// At the same time, both Go programs would compile the same part of the standard library.
const ONE_AT_A_TIME = '--parallel=1';

/** The compiler that is missing for the example, as a reason to skip its tests; undefined if none is. */
export async function missingCompiler(): Promise<string | undefined> {
  const { failed } = await execa('go', ['version'], { reject: false, stdin: 'ignore' });
  return failed ? 'go is not installed' : missingProgram('cargo', 'gcc', ...CROSS_COMPILERS);
}

/** The SHA-256 of each executable, by name. */
type Checksums = Readonly<Record<string, string>>;

/** The example after building everything. */
export interface Polyglot extends AsyncDisposable {
  readonly root: string;
  /** The result of building everything a second time. */
  readonly again: TaskResults;
  /** The result of building after a change to the server's source. */
  readonly changed: TaskResults;
  /** The executables for amd64: from the first build, and from one in another folder with cold caches. */
  readonly checksums: Readonly<Record<'first' | 'elsewhere', Checksums>>;
}

/** Builds a fresh copy of the example with the published packages. The folder `known` has its lock and cache. */
export async function buildPolyglot(
  registry: PackageRegistry,
  tools: Tools,
  known: string,
): Promise<Polyglot> {
  const folder = await mkdtemp(join(tmpdir(), 'polyglot-'));
  const remove = () => rm(folder, { recursive: true, force: true, maxRetries: 10 });
  try {
    const first = commandsIn(join(folder, 'first'), { manager: 'npm', node: 24 }, tools);
    await copyExample(folder, first.root);
    for (const { name, architectures } of PROGRAMS.filter((program) => OTHERS.includes(program.name))) {
      const path = `apps/${name}/prebuilt.json`;
      const configuration = JSON.parse(await readFile(join(first.root, path), 'utf8'));
      const platforms = architectures.map((architecture) => `linux/${architecture}`);
      await first.write(path, JSON.stringify({ ...configuration, platforms }));
    }
    const sources = { ...(await npmSettings(first.root)), published: registry.url };
    const settings = { ...MANAGERS.npm.files(sources), ...MANAGERS.bun.files(sources) };
    for (const [path, content] of Object.entries(settings)) await first.write(path, content);
    // npm decides what it would install; Bun then installs it at a tenth of the cost.
    await first.run('npm', [...MANAGERS.npm.install, '--package-lock-only']);
    await installWithBun(first, tools);
    await copyLocked(known, first.root);
    await first.nxOk(['g', '@prebuilt/nx:lock', '--no-interactive']);
    await commit(first);

    const elsewhere = await buildElsewhere(folder, first, tools);
    const build = ['run-many', '--targets=docker-release'];
    await first.nxOk([...build, ONE_AT_A_TIME]);
    const again = await first.nxTasks(build);
    const checksums = { first: await checksumsIn(first.root), elsewhere };
    const source = 'apps/server/main.go';
    const text = await readFile(join(first.root, source), 'utf8');
    await first.write(source, text.replace('hello from', 'greetings from'));
    const changed = await first.nxTasks(build);
    return { root: first.root, again, changed, checksums, [Symbol.asyncDispose]: remove };
  } catch (error) {
    await remove();
    throw error;
  }
}

/** Copies the example's files at HEAD. */
async function copyExample(folder: string, root: string): Promise<void> {
  const archive = join(folder, 'example.tar');
  await runOk(THIS_WORKSPACE, 'git', ['archive', `--output=${archive}`, `HEAD:${EXAMPLE}`]);
  await mkdir(root);
  await runOk(root, 'tar', ['-xf', archive]);
}

async function commit({ run }: WorkspaceCommands): Promise<void> {
  await run('git', ['init', '--quiet', '--initial-branch=main']);
  await run('git', ['add', '--all']);
  await run('git', [...GIT_AUTHOR, 'commit', '--quiet', '--message=Five programs']);
}

/**
 * Builds a clone in another folder, for amd64 only, and without the caches of the compilers and Nx. Afterward, this
 * machine's cache has the standard library that Go compiled, which takes 20 s.
 */
async function buildElsewhere(folder: string, first: WorkspaceCommands, tools: Tools): Promise<Checksums> {
  const root = join(folder, 'a-clone/elsewhere');
  await runOk(folder, 'git', ['clone', '--quiet', first.root, root]);
  await symlink(join(first.root, 'node_modules'), join(root, 'node_modules'));
  await copyLocked(first.root, root);
  const clone = commandsIn(root, { manager: 'npm', node: 24 }, tools);
  const configuration = JSON.parse(await readFile(join(root, IMPORTED), 'utf8'));
  configuration.toolchain.dependsOn = ['build-amd64'];
  await clone.write(IMPORTED, JSON.stringify(configuration));
  const cache = join(folder, 'go-build');
  await clone.nxOk(['run-many', '--targets=build-binaries', '--platforms=linux/amd64', ONE_AT_A_TIME], {
    GOCACHE: cache,
  });
  await shareStandardLibrary(cache);
  return checksumsIn(root);
}

/**
 * Adds what Go compiled of its standard library to this machine's cache. The example's own packages stay out, so that a
 * build in another folder compiles them again.
 */
async function shareStandardLibrary(cache: string): Promise<void> {
  const { stdout: own } = await execa('go', ['env', 'GOCACHE']);
  const names = await readdir(cache, { recursive: true });
  const [outputs = [], entries = []] = ['-d', '-a'].map((end) => names.filter((name) => name.endsWith(end)));
  // Outputs first: another Go that is running only looks for those that have an entry.
  for (const name of [...outputs, ...entries]) {
    const content = await readFile(join(cache, name));
    if (content.includes(GO_MODULES)) continue;
    const path = join(own, name);
    await mkdir(dirname(path), { recursive: true });
    if (!existsSync(path)) await writeFile(path, content);
  }
}

async function checksumsIn(root: string): Promise<Checksums> {
  const all = await Promise.all(
    PROGRAMS.map(async ({ name }) =>
      parseChecksums(await readFile(join(root, 'dist/apps', name, 'bin', CHECKSUMS_FILE), 'utf8'), name),
    ),
  );
  const amd64 = all.flat().filter(({ path }) => path.endsWith('-linux-amd64'));
  return Object.fromEntries(amd64.map(({ path, sha256 }) => [path, sha256]));
}

/**
 * Loads the images into a real engine, runs each one on each of its platforms, and returns what they printed, by
 * program and platform. Removes the images afterward.
 */
export async function runImages(
  root: string,
  tools: Tools,
  { DOCKER_HOST, DOCKER_CONFIG, PATH }: EngineEnvironment,
): Promise<Readonly<Record<string, string>>> {
  const { nxOk } = commandsIn(root, { manager: 'npm', node: 24 }, tools);
  const docker = (...args: readonly string[]) =>
    execa('docker', args, { env: { DOCKER_HOST, DOCKER_CONFIG, PATH }, stdin: 'ignore' });
  const [client = ''] = PATH.split(delimiter);
  const names = PROGRAMS.map(({ name }) => name);
  await using _ = await emulateArm(await armEmulator(root));
  try {
    // Load the images as built: with an engine, their build task would pick another builder.
    await nxOk(['run-many', '--targets=docker-load', '--exclude-task-dependencies'], {
      DOCKER_HOST,
      DOCKER_CONFIG,
      PATH: [tools.path(24, 'npm'), client, userEnvironment().PATH].join(delimiter),
    });
    const printed: Record<string, string> = {};
    for (const { name, architectures, args } of PROGRAMS) {
      for (const architecture of architectures) {
        const platform = `--platform=linux/${architecture}`;
        const image = `${name}:0.0.0-dev`;
        const { stdout } = await docker('run', '--rm', '--network=none', platform, image, ...args);
        printed[`${name} ${architecture}`] = stdout;
      }
    }
    return printed;
  } finally {
    await docker('image', 'rm', '--force', ...names.map((name) => `${name}:0.0.0-dev`));
  }
}

/** The path of the emulator that the example's lock pins for this machine. */
async function armEmulator(root: string): Promise<string> {
  const { emulators } = JSON.parse(await readFile(join(root, 'prebuilt.lock.json'), 'utf8'));
  const { sha256, executable } = emulators[`linux/${OWN_ARCHITECTURE}`]['linux/arm/v7'];
  return join(root, '.cache/prebuilt/emulators', sha256, executable.path);
}
