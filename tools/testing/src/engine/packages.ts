import { mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { deriveSources, type SourcesFile } from './apt-sources.ts';
import { EngineError } from './errors.ts';
import type { EngineLayout } from './layout.ts';
import type { Say } from './say.ts';

/** What os-release says about this machine. */
export interface Distribution {
  readonly id: string;
  readonly codename: string;
}

/** The Debian release whose engine is used: the first with buildx and a containerd image store. */
const ENGINE_CODENAME = 'trixie';
const FROM_ENGINE_RELEASE = ['docker.io', 'docker-cli', 'docker-buildx', 'containerd', 'docker-registry'];
/** Of the machine's own release, since these must fit its C library. */
const FROM_OWN_RELEASE = ['runc', 'tini', 'qemu-user-static'];
/** Libraries that the unpacked programs need from the machine itself. */
const SYSTEM_LIBRARIES = ['libseccomp2', 'libsystemd0'];
/** Independent readers of what is built, used by tests: these of the machine's own release, installed. */
const READERS = ['skopeo', 'umoci'];
/** And this one of the engine's release, unpacked, where the machine has none: Debian 12's knows no components. */
export const UNPACKED_READER = 'kubectl';
/** The sources of another registry, unpacked: Debian 12 has none. */
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

/** Throws NOT_DEBIAN unless the engine's packages fit this distribution. */
export function requireDebian({ id, codename }: Distribution): void {
  if (id === 'debian' && SUPPORTED_CODENAMES.includes(codename)) return;
  throw new EngineError(
    'NOT_DEBIAN',
    `distribution: expected Debian 12 (bookworm) or 13 (trixie), found ${id || 'unknown'} ${codename}`.trimEnd(),
    {
      hint: 'Use a Docker engine of your own instead: set DOCKER_HOST, and REGISTRY to a registry on loopback.',
    },
  );
}

/** apt preferences under which only the engine's packages come from the newer release. */
export function aptPreferences(): string {
  return [
    `Package: *\nPin: release n=${ENGINE_CODENAME}*\nPin-Priority: 100`,
    `Package: ${[...FROM_ENGINE_RELEASE, UNPACKED_READER, REGISTRY_SOURCES].join(' ')}\nPin: release n=${ENGINE_CODENAME}*\nPin-Priority: 990`,
  ].join('\n\n');
}

/**
 * Makes the engine's programs exist below `layout.packages`: downloaded by apt in a private state (signatures
 * checked) and unpacked, never installed; `extra` packages of the engine's release with them. Does nothing where they
 * are complete. Returns each package's version.
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
      // Where qemu-user-static only links to the package qemu-user, that one holds the programs.
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

/** Installs, from the machine's own release, the libraries that the engine needs, and the readers if asked for. */
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
  // Packages of an earlier list are fetched again.
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
    'Dir::Etc::sourcelist=/dev/null',
    `Dir::Etc::sourceparts=${at('sources.list.d')}`,
    `Dir::Etc::preferences=${at('preferences')}`,
    'Dir::Etc::preferencesparts=/dev/null',
    // The private folders belong to root, which apt's own sandbox user couldn't write.
    'APT::Sandbox::User=root',
    'Acquire::Languages=none',
    'Acquire::Retries=3',
  ].flatMap((option) => ['--option', option]);
}

/** The files of this machine's apt sources. */
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

// The package holds the emulators of thirty processors, 10 MB each.
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
