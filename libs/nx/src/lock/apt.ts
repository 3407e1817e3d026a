import { existsSync } from 'node:fs';
import { mkdir, readFile, realpath, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PrebuiltError } from '../errors.ts';
import { thisHost } from '../process/host.ts';

/** What a distribution's signed index says about a package. */
export interface IndexedPackage {
  readonly name: string;
  readonly version: string;
  readonly architecture: string;
  /** Where its archive is on every mirror. */
  readonly path: string;
  /** Of the archive, in hexadecimal. */
  readonly sha256: string;
}

/** The machine's apt with lists, cache and status of its own: it needs no root and installs nothing. */
export interface PrivateApt {
  /** The newest versions in the signed index. Throws `SYSROOT` for a name that is not in it. */
  show(names: readonly string[]): Promise<readonly IndexedPackage[]>;
  /** Downloads one version of a package into a folder. Throws `SYSROOT`. */
  download(name: string, version: string, folder: string): Promise<void>;
}

/** A file with apt sources (deb822 `*.sources` or one-line `*.list`), in place of the machine's own. */
const SOURCES_VARIABLE = 'PREBUILT_APT_SOURCES';

/** `ID` and `VERSION_CODENAME` of the machine's distribution. https://man7.org/linux/man-pages/man5/os-release.5.html */
export async function readDistribution(): Promise<{ readonly id: string; readonly codename: string }> {
  const text = await readFile('/etc/os-release', 'utf8').catch(() => '');
  const field = (name: string): string =>
    new RegExp(`^${name}="?([A-Za-z0-9._-]*)"?$`, 'm').exec(text)?.[1] ?? '';
  return { id: field('ID'), codename: field('VERSION_CODENAME') };
}

/**
 * Prepares apt for one of Debian's architectures in `folder`, and fetches its index. Signatures are checked by apt.
 * Throws `SYSROOT` where there is no apt, or no index.
 */
export async function openApt(
  folder: string,
  architecture: string,
  signal?: AbortSignal,
): Promise<PrivateApt> {
  const state = join(folder, `apt-${architecture}`);
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
    'Acquire::Languages=none',
    'Acquire::Retries=3',
    ...(process.getuid?.() === 0 ? ['APT::Sandbox::User=root'] : []),
    ...(sources === undefined ? [] : [`Dir::Etc::sourcelist=${sources}`, 'Dir::Etc::sourceparts=/dev/null']),
  ].flatMap((setting) => ['-o', setting]);
  const run = async (file: string, args: readonly string[], cwd: string): Promise<string> => {
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
        hint: `Is the network up, and do the machine's apt sources carry ${architecture}? ${SOURCES_VARIABLE}=FILE names other sources.`,
      },
    );
  };
  await run('apt-get', ['-qq', 'update'], state);
  return {
    async show(names) {
      const asked = ['show', '--no-all-versions', ...names];
      // It fails only where it knows none of them; which one that is, is told below.
      const text = await run('apt-cache', asked, state).catch((error: unknown) => {
        if (error instanceof PrebuiltError && error.message.includes('No packages found')) return '';
        throw error;
      });
      const found = text.split(/\n\n+/).flatMap(parseIndexEntry);
      return names.map((name) => {
        const entry = found.find((each) => each.name === name);
        if (entry !== undefined) return entry;
        throw new PrebuiltError('SYSROOT', `${name}: apt's index for ${architecture} has no such package`);
      });
    },
    async download(name, version, target) {
      await run('apt-get', ['-qq', 'download', `${name}=${version}`], target);
    },
  };
}

/** The error of a machine without apt, with what to do there. */
export function withoutApt(): PrebuiltError {
  return new PrebuiltError('SYSROOT', 'apt-get: not found, and only apt knows which packages there are', {
    hint:
      'Write the lock on a Debian or Ubuntu machine (a container will do) and commit it: what it names is then ' +
      "fetched on any machine that has dpkg-deb. Or give a folder with the platform's libraries: --sysroot=FOLDER.",
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

// Ubuntu keeps all but amd64 and i386 on a host of its own, which an amd64 machine's sources do not name.
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
