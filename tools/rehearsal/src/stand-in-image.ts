import { randomBytes } from 'node:crypto';
import { chmod, lstat, mkdir, mkdtemp, readlink, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, isAbsolute, join } from 'node:path';
import { execa } from 'execa';
import { clientArguments, type EngineClient, runClient } from './engine-client.ts';

/** An almost empty image, and what its containers get from this machine instead of from layers. */
export interface StandInImage {
  /** The image in the engine, by digest. */
  readonly reference: string;
  /** In Docker's notation: `source:target:ro`. */
  readonly volumes: readonly string[];
  /** The variables that the image sets. */
  readonly env: Readonly<Record<string, string>>;
}

/** Where containers find the Node that runs this. */
const NODE = '/opt/node/bin';
const PROGRAMS = ['/usr', '/bin', '/sbin', '/lib', '/lib32', '/lib64', '/libx32'];
/** The list of installed packages. */
const PACKAGES = '/var/lib/dpkg';
const EMPTY = [
  'tmp',
  'var/tmp',
  'var/lib',
  'var/log',
  'var/cache',
  'root',
  'home',
  'run',
  'opt',
  'srv',
  'mnt',
];

/**
 * Makes an image that stands in for one with Node on Debian, which can't be pulled here. Its containers see this
 * machine's programs, read-only. Everything else is their own: the image has empty folders and a copy of `/etc`,
 * without the machine's id and what only root may read. `more` are further volumes. Disposing of it removes the image.
 */
export async function importStandInImage(
  client: EngineClient,
  env: Readonly<Record<string, string>>,
  more: readonly string[],
): Promise<StandInImage & AsyncDisposable> {
  const folder = await mkdtemp(join(tmpdir(), 'stand-in-image-'));
  try {
    for (const name of EMPTY) await mkdir(join(folder, name), { recursive: true });
    for (const name of ['tmp', 'var/tmp']) await chmod(join(folder, name), 0o1777);
    await symlink('/run', join(folder, 'var/run'));
    const volumes = [`${dirname(process.execPath)}:${NODE}:ro`, ...more];
    const path = (env.PATH ?? '').split(delimiter).filter(isAbsolute);
    const elsewhere = path.filter(
      (each) => !PROGRAMS.some((program) => `${each}/`.startsWith(`${program}/`)),
    );
    for (const each of new Set([...PROGRAMS, PACKAGES, ...elsewhere])) {
      const found = await lstat(each).catch(() => undefined);
      const linked = found?.isSymbolicLink() === true && PROGRAMS.includes(each);
      if (linked) await symlink(await readlink(each), join(folder, each));
      else if (found !== undefined) volumes.push(`${each}:${each}:ro`);
    }
    const tag = `rehearsal-stand-in:${randomBytes(8).toString('hex')}`;
    const digest = await importFolder(client, folder, tag);
    return {
      reference: `${tag.replace(/:.*/, '')}@${digest}`,
      volumes,
      env: { ...env, PATH: [NODE, ...path].join(delimiter) },
      [Symbol.asyncDispose]: async () => void (await runClient(client, 'image', 'rm', tag)),
    };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function importFolder(client: EngineClient, folder: string, tag: string): Promise<string> {
  const readable = [
    'etc',
    ...['(', '-type', 'd', '!', '-perm', '-o=rx', '-prune', ')'],
    ...['-o', '(', '-path', 'etc/machine-id', ')'],
    ...['-o', '(', '-perm', '-o=r', '-print0', ')'],
  ];
  const archive = ['--directory=/', '--no-recursion', '--null', '--files-from=-'];
  const { stdout } = await execa('find', readable, { cwd: '/' })
    .pipe('tar', ['--create', '--numeric-owner', `--directory=${folder}`, '.', ...archive])
    .pipe(client.program, clientArguments(client, 'import', '-', tag));
  return stdout;
}
