import { existsSync } from 'node:fs';
import { mkdir, readFile, realpath, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PrebuiltError } from '../errors.ts';
import { thisHost } from '../process/host.ts';

/** A package in a distribution's signed index. */
export interface IndexedPackage {
  readonly name: string;
  readonly version: string;
  readonly architecture: string;
  /** The archive's path on every mirror. */
  readonly path: string;
  /** The archive's SHA-256, in hexadecimal. */
  readonly sha256: string;
}

/** The machine's apt with separate lists, cache and status. It needs no root privileges and installs nothing. */
export interface PrivateApt {
  /** The newest versions in the signed index. Throws `SYSROOT` for an unknown name. */
  show(names: readonly string[]): Promise<readonly IndexedPackage[]>;
  /** Downloads one version of a package into a folder. Throws `SYSROOT`. */
  download(name: string, version: string, folder: string): Promise<void>;
}

/** A file with apt sources (deb822 `*.sources` or one-line `*.list`) to use instead of the machine's. */
const SOURCES_VARIABLE = 'PREBUILT_APT_SOURCES';

/** The `ID` and `VERSION_CODENAME` of this distribution. https://man7.org/linux/man-pages/man5/os-release.5.html */
export async function readDistribution(): Promise<{ readonly id: string; readonly codename: string }> {
  const text = await readFile('/etc/os-release', 'utf8').catch(() => '');
  const field = (name: string): string =>
    new RegExp(`^${name}="?([A-Za-z0-9._-]*)"?$`, 'm').exec(text)?.[1] ?? '';
  return { id: field('ID'), codename: field('VERSION_CODENAME') };
}

/** Runs one of apt's programs with the settings of a private apt, and returns its stdout. Throws `SYSROOT`. */
type RunApt = (file: string, args: readonly string[], cwd: string) => Promise<string>;

/** Downloads files with apt's own methods, proxies and credentials. */
const APT_HELPER = '/usr/lib/apt/apt-helper';

/**
 * Sets up apt in `folder` for a Debian architecture and fetches its index. apt checks signatures. Throws `SYSROOT` if
 * apt is missing or the index can't be fetched.
 */
export async function openApt(
  folder: string,
  architecture: string,
  signal?: AbortSignal,
): Promise<PrivateApt> {
  const state = join(folder, `apt-${architecture}`);
  const run = await privateApt(state, architecture, signal);
  await run('apt-get', ['-qq', 'update'], state);
  return {
    async show(names) {
      const asked = ['show', '--no-all-versions', ...names];
      // Fails only if it finds none of them; the missing name is reported below.
      const text = await run('apt-cache', asked, state).catch((error: unknown) => {
        if (error instanceof PrebuiltError && error.message.includes('No packages found')) return '';
        throw error;
      });
      const found = text.split(/\n\n+/).flatMap(parseIndexEntry);
      return names.map((name) => {
        const entry = found.find((each) => each.name === name);
        if (entry !== undefined) return entry;
        throw new PrebuiltError(
          'SYSROOT',
          `${name}: expected a package in apt's index for ${architecture}, found none`,
        );
      });
    },
    async download(name, version, target) {
      await run('apt-get', ['-qq', 'download', `${name}=${version}`], target);
    },
  };
}

/**
 * Downloads an archive from the first of the machine's apt sources that has it at its path, without fetching an index,
 * which takes apt seconds of computing. Returns whether one had it, with the archive's SHA-256. `folder` is for apt's
 * state. Throws `SYSROOT` if apt is missing.
 */
export async function downloadFromSources(
  archive: Pick<IndexedPackage, 'architecture' | 'path' | 'sha256'>,
  file: string,
  folder: string,
  signal?: AbortSignal,
): Promise<boolean> {
  const run = await privateApt(join(folder, 'sources'), archive.architecture, signal);
  const listed = await run(
    'apt-get',
    ['indextargets', '--no-release-info', '--format', '$(REPO_URI)', 'Created-By: Packages'],
    folder,
  );
  for (const source of new Set(listed.split('\n').filter(Boolean))) {
    const asked = ['-qq', 'download-file', `${source}${archive.path}`, file, `SHA256:${archive.sha256}`];
    const found = await run(APT_HELPER, asked, folder).then(
      () => true,
      () => false,
    );
    signal?.throwIfAborted();
    if (found) return true;
  }
  return false;
}

async function privateApt(state: string, architecture: string, signal?: AbortSignal): Promise<RunApt> {
  await mkdir(join(state, 'lists/partial'), { recursive: true });
  await mkdir(join(state, 'cache/archives/partial'), { recursive: true });
  await writeFile(join(state, 'status'), '');
  const sources = await sourcesFile(state, architecture);
  const settings = [
    `APT::Architecture=${architecture}`,
    `APT::Architectures=${architecture}`,
    `Dir::State::Lists=${state}/lists`,
    `Dir::State::status=${state}/status`,
    `Dir::Cache=${state}/cache`,
    // Images for containers turn it off, and every call would then read the whole index again.
    'Dir::Cache::pkgcache=pkgcache.bin',
    'Acquire::Languages=none',
    'Acquire::Retries=3',
    ...(process.getuid?.() === 0 ? ['APT::Sandbox::User=root'] : []),
    ...(sources === undefined ? [] : [`Dir::Etc::sourcelist=${sources}`, 'Dir::Etc::sourceparts=/dev/null']),
  ].flatMap((setting) => ['-o', setting]);
  return async (file, args, cwd) => {
    const { execa } = await import('execa');
    const result = await execa(file, [...settings, ...args], {
      cwd,
      env: { LC_ALL: 'C' },
      stdin: 'ignore',
      reject: false,
      ...(signal === undefined ? {} : { cancelSignal: signal }),
    });
    signal?.throwIfAborted();
    if (!result.failed) return result.stdout;
    if (result.code === 'ENOENT') throw withoutApt();
    throw new PrebuiltError(
      'SYSROOT',
      `${file} for ${architecture}: ${result.stderr || result.shortMessage}`,
      {
        hint: `Check the network, and that the machine's apt sources include ${architecture}. To use other sources, set ${SOURCES_VARIABLE}=FILE.`,
      },
    );
  };
}

/** The error for a machine without apt. */
export function withoutApt(): PrebuiltError {
  return new PrebuiltError('SYSROOT', 'apt-get: not found; it is needed to look up packages', {
    hint:
      'Write the lock on a Debian or Ubuntu machine (a container will do) and commit it. Any machine with dpkg-deb can ' +
      "then fetch its packages. Or specify a folder with the platform's libraries: --sysroot=FOLDER.",
  });
}

function parseIndexEntry(text: string): readonly IndexedPackage[] {
  const field = (name: string): string | undefined => new RegExp(`^${name}: (.+)$`, 'm').exec(text)?.[1];
  const [name, version, architecture, path, sha256] = [
    field('Package'),
    field('Version'),
    field('Architecture'),
    field('Filename'),
    field('SHA256'),
  ];
  if (!name || !version || !architecture || !path || !sha256) return [];
  return [{ name, version, architecture, path, sha256 }];
}

// Ubuntu hosts all architectures but amd64 and i386 elsewhere, and an amd64 machine's sources lack that host.
async function sourcesFile(state: string, architecture: string): Promise<string | undefined> {
  const given = process.env[SOURCES_VARIABLE];
  if (given) {
    if (existsSync(given)) return realpath(given);
    throw new PrebuiltError('SYSROOT', `${SOURCES_VARIABLE}: expected a file, found none at ${given}`);
  }
  const { id, codename } = await readDistribution();
  const { arch } = thisHost();
  const own = arch === 'x64' ? ['amd64', 'i386'] : [arch];
  if (id !== 'ubuntu' || own.includes(architecture)) return undefined;
  const site = ['amd64', 'i386'].includes(architecture)
    ? 'https://archive.ubuntu.com/ubuntu'
    : 'https://ports.ubuntu.com/ubuntu-ports';
  const path = join(state, 'ubuntu.sources');
  await writeFile(
    path,
    [
      'Types: deb',
      `URIs: ${site}`,
      `Suites: ${codename} ${codename}-updates ${codename}-security`,
      'Components: main universe',
      'Signed-By: /usr/share/keyrings/ubuntu-archive-keyring.gpg',
      '',
    ].join('\n'),
  );
  return path;
}
