import { mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { deriveSources, type SourcesFile } from './apt-sources.ts';
import { EngineError } from './errors.ts';
import type { EngineLayout } from './layout.ts';
import type { Say } from './say.ts';

/** This machine's distribution, from os-release. */
export interface Distribution {
  readonly id: string;
  readonly codename: string;
}

/** The Debian release that the engine comes from: the first with buildx and a containerd image store. */
const ENGINE_CODENAME = 'trixie';
const FROM_ENGINE_RELEASE = ['docker.io', 'docker-cli', 'docker-buildx', 'containerd', 'docker-registry'];
/** From the machine's own release, since these must match its C library. */
const FROM_OWN_RELEASE = ['runc', 'tini', 'qemu-user-static'];
/** Libraries that the unpacked programs need on the machine itself. */
const SYSTEM_LIBRARIES = ['libseccomp2', 'libsystemd0'];
/** Independent image tools for tests, installed from the machine's own release. */
const READERS = ['skopeo', 'umoci'];
/** Unpacked from the engine's release if the machine has none: the one in Debian 12 does not support components. */
export const UNPACKED_READER = 'kubectl';
/** The sources of another registry, unpacked: Debian 12 does not have them. */
export const REGISTRY_SOURCES = 'golang-github-google-go-containerregistry-dev';
const SUPPORTED_CODENAMES = ['bookworm', 'trixie'];

/** Reads os-release. */
export function parseDistribution(osRelease: string): Distribution {
  const value = (name: string) =>
    new RegExp(`^${name}=(?:"([^"]*)"|(.*))$`, 'm')
      .exec(osRelease)
      ?.slice(1)
      .find((group) => group !== undefined) ?? '';
  return { id: value('ID'), codename: value('VERSION_CODENAME') };
}

/** Throws NOT_DEBIAN unless the engine's packages work on this distribution. */
export function requireDebian({ id, codename }: Distribution): void {
  if (id === 'debian' && SUPPORTED_CODENAMES.includes(codename)) return;
  throw new EngineError(
    'NOT_DEBIAN',
    `distribution: expected Debian 12 (bookworm) or 13 (trixie), found ${id || 'unknown'} ${codename}`.trimEnd(),
    {
      hint: 'Use your own Docker engine instead: set DOCKER_HOST, and REGISTRY to a registry on loopback.',
    },
  );
}

/** apt preferences that take only the engine's packages from the newer release. */
export function aptPreferences(): string {
  return [
    `Package: *\nPin: release n=${ENGINE_CODENAME}*\nPin-Priority: 100`,
    `Package: ${[...FROM_ENGINE_RELEASE, UNPACKED_READER, REGISTRY_SOURCES].join(' ')}\nPin: release n=${ENGINE_CODENAME}*\nPin-Priority: 990`,
  ].join('\n\n');
}

/**
 * Provides the engine's programs in `layout.packages`, with `extra` packages from the engine's release: downloaded by
 * apt with private state (signatures are checked) and unpacked, never installed. Does nothing if they are complete.
 * Returns the version of each package.
 */
export async function unpackPackages(
  layout: EngineLayout,
  extra: readonly string[],
  say: Say,
): Promise<Readonly<Record<string, string>>> {
  const wanted = [...FROM_ENGINE_RELEASE, ...extra, ...FROM_OWN_RELEASE];
  const known = await readRecord(join(layout.packages, 'packages.json'), wanted);
  if (known !== undefined) return known;

  const distribution = parseDistribution(await readFile('/etc/os-release', 'utf8'));
  requireDebian(distribution);
  await mkdir(layout.home, { recursive: true });
  const work = await mkdtemp(join(layout.home, 'unpack-'));
  try {
    const debs = join(work, 'debs');
    const root = join(work, 'root');
    await mkdir(debs);
    await mkdir(root);
    const options = await prepareApt(layout, distribution);
    say(`apt: fetching ${wanted.join(' ')} (unpacked, not installed)`);
    await apt([...options, 'update']);
    await apt([...options, 'download', ...wanted], debs);
    const versions: Record<string, string> = {};
    for (const deb of (await readdir(debs)).sort()) {
      const file = join(debs, deb);
      const [name = '', version = ''] = await debFields(file);
      versions[name] = version;
      await execa('dpkg-deb', ['--extract', file, root]);
      // In releases where qemu-user-static only links to the package qemu-user, that one has the programs.
      if (name === 'qemu-user-static' && !(await hasStaticEmulator(root))) {
        await apt([...options, 'download', 'qemu-user'], work);
        const [other] = (await readdir(work)).filter((entry) => entry.startsWith('qemu-user_'));
        if (other === undefined)
          throw new EngineError('APT', 'apt-get download qemu-user: no package file found');
        await execa('dpkg-deb', ['--extract', join(work, other), root]);
      }
    }
    await dropOtherEmulators(join(root, 'usr/bin'));
    await writeFile(join(root, 'packages.json'), `${JSON.stringify(versions, undefined, 2)}\n`);
    await rm(layout.packages, { recursive: true, force: true });
    await rename(root, layout.packages);
    return versions;
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** Installs the libraries that the engine needs, and the readers if requested, from the machine's own release. */
export async function installSystemPackages(withReaders: boolean, say: Say): Promise<void> {
  const missing: string[] = [];
  for (const name of [...SYSTEM_LIBRARIES, ...(withReaders ? READERS : [])]) {
    if (!(await isInstalled(name))) missing.push(name);
  }
  if (missing.length === 0) return;
  say(`apt: installing ${missing.join(' ')}`);
  await apt(['update']);
  await apt(['install', '--yes', '--no-install-recommends', ...missing]);
}

async function readRecord(
  path: string,
  wanted: readonly string[],
): Promise<Readonly<Record<string, string>> | undefined> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return undefined;
    throw new EngineError('STATE', `${path}: can't be read`, { cause });
  }
  const versions: unknown = JSON.parse(text);
  const complete = (name: string) =>
    typeof versions === 'object' && versions !== null && typeof Reflect.get(versions, name) === 'string';
  // Packages from an earlier, shorter list are fetched again.
  return wanted.every(complete) ? (versions as Readonly<Record<string, string>>) : undefined;
}

async function prepareApt(layout: EngineLayout, distribution: Distribution): Promise<readonly string[]> {
  const at = (...names: string[]) => join(layout.apt, ...names);
  for (const folder of [at('lists', 'partial'), at('cache', 'archives', 'partial'), at('sources.list.d')]) {
    await mkdir(folder, { recursive: true });
  }
  const files = await machineSources();
  const codenames = new Set([distribution.codename, ENGINE_CODENAME]);
  const derived = [...codenames].map((codename) => deriveSources(files, distribution.codename, codename));
  await writeFile(at('sources.list.d', 'engine.sources'), derived.join('\n'));
  await writeFile(at('preferences'), `${aptPreferences()}\n`);
  await writeFile(at('status'), '');
  return [
    `Dir::State::Lists=${at('lists')}`,
    `Dir::State::status=${at('status')}`,
    `Dir::Cache=${at('cache')}`,
    // Images for containers turn it off, and every call would then read the whole index again.
    'Dir::Cache::pkgcache=pkgcache.bin',
    'Dir::Etc::sourcelist=/dev/null',
    `Dir::Etc::sourceparts=${at('sources.list.d')}`,
    `Dir::Etc::preferences=${at('preferences')}`,
    'Dir::Etc::preferencesparts=/dev/null',
    // The private folders belong to root, and apt's own sandbox user could not write to them.
    'APT::Sandbox::User=root',
    'Acquire::Languages=none',
    'Acquire::Retries=3',
  ].flatMap((option) => ['--option', option]);
}

/** This machine's apt sources files. */
export async function machineSources(): Promise<readonly SourcesFile[]> {
  const parts = '/etc/apt/sources.list.d';
  const paths = ['/etc/apt/sources.list'];
  for (const name of (await readdir(parts)).sort()) {
    if (/\.(list|sources)$/.test(name)) paths.push(join(parts, name));
  }
  const files: SourcesFile[] = [];
  for (const path of paths) {
    try {
      files.push({ path, text: await readFile(path, 'utf8') });
    } catch (cause) {
      if (!(cause instanceof Error && 'code' in cause && cause.code === 'ENOENT')) throw cause;
    }
  }
  return files;
}

async function debFields(file: string): Promise<readonly string[]> {
  const { stdout } = await execa('dpkg-deb', ['--field', file, 'Package', 'Version']);
  return stdout.split('\n').map((line) => line.slice(line.indexOf(': ') + 2));
}

async function hasStaticEmulator(root: string): Promise<boolean> {
  const found = await stat(join(root, 'usr/bin/qemu-aarch64-static')).catch(() => undefined);
  return found?.isFile() === true;
}

// The package contains emulators for thirty processors, 10 MB each.
async function dropOtherEmulators(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    if (name.startsWith('qemu-') && !/^qemu-(aarch64|x86_64)(-static)?$/.test(name))
      await rm(join(folder, name));
  }
}

async function isInstalled(name: string): Promise<boolean> {
  const { stdout, exitCode } = await execa('dpkg-query', ['--status', name], { reject: false });
  return exitCode === 0 && /^Status: \S+ ok installed$/m.test(stdout);
}

async function apt(args: readonly string[], cwd = '/'): Promise<void> {
  const result = await execa('apt-get', ['--quiet', ...args], {
    cwd,
    reject: false,
    all: true,
    env: { DEBIAN_FRONTEND: 'noninteractive' },
    stdin: 'ignore',
  });
  if (result.failed) {
    const subject = args.filter(
      (argument, index) => argument !== '--option' && args[index - 1] !== '--option',
    );
    throw new EngineError(
      'APT',
      `apt-get ${subject.join(' ')}: exit code ${result.exitCode ?? 'none'}\n${result.all.trimEnd()}`,
      {
        hint: 'Check the network and the apt sources of this machine, then run the command again.',
        cause: result,
      },
    );
  }
}
