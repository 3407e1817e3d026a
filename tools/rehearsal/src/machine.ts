import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { execa } from 'execa';

/** The folders of a job, laid out as the actions runner does. */
export interface JobFolders {
  /** Contains everything that belongs to the job. */
  readonly root: string;
  /** Contains the other three. */
  readonly work: string;
  readonly workspace: string;
  readonly temp: string;
  readonly home: string;
}

/** A program to start here, in this folder and with exactly this environment. */
export interface Command {
  readonly file: string;
  readonly args: readonly string[];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
}

/** Where the scripts of a job run: on GitHub's machine itself, or in a container on it. */
export interface Machine extends AsyncDisposable {
  /** What scripts call a path below one of the job's folders. */
  pathOf(path: string): string;
  /** What to start here, so that a program runs there in the workspace, with these variables added. */
  command(program: readonly string[], env: Readonly<Record<string, string>>): Command;
}

/** How a job's machine differs from this one. */
export interface MachineOptions {
  readonly folders: JobFolders;
  /** The folder that comes first on PATH. */
  readonly programs: string;
  /** The folders that the workspace starts with, by their name in it. */
  readonly overlays: Readonly<Record<string, string>>;
  readonly env: Readonly<Record<string, string>>;
}

/** Creates the folders of a job in `root`. The repository is `owner/name`. */
export async function makeJobFolders(root: string, repository: string): Promise<JobFolders> {
  const name = basename(repository);
  const work = join(root, 'work');
  const temp = join(work, '_temp');
  const folders = { root, work, workspace: join(work, name, name), temp, home: join(temp, '_github_home') };
  for (const folder of [folders.workspace, folders.home]) await mkdir(folder, { recursive: true });
  return folders;
}

/** This machine, with a machine id of the job's own, and its overlays. */
export async function thisMachine({ folders, programs, overlays, env }: MachineOptions): Promise<Machine> {
  const id = join(folders.root, 'machine-id');
  await writeFile(id, `${randomBytes(16).toString('hex')}\n`);
  const mounted = await Promise.all(
    Object.entries(overlays).map(([name, lower]) =>
      makeOverlay(lower, join(folders.workspace, name), folders.root),
    ),
  );
  const own = { ...env, PATH: `${programs}:${env.PATH ?? ''}` };
  return {
    pathOf: (path) => path,
    command: (program, more) => {
      const [file = '', ...args] = [...asMachine(id, mounted), ...program];
      return { file, args, cwd: folders.workspace, env: { ...own, ...more } };
    },
    [Symbol.asyncDispose]: async () => undefined,
  };
}

/** A folder to show below a workspace: mount's options, and where. */
export interface Overlay {
  readonly options: string;
  readonly target: string;
}

/** Prepares an overlay whose changes are kept below the root of a job. */
export async function makeOverlay(lower: string, target: string, root: string): Promise<Overlay> {
  const [upper, work] = ['upper', 'work'].map((kind) => join(root, 'overlays', basename(target), kind));
  for (const folder of [upper, work, target]) await mkdir(folder as string, { recursive: true });
  return { options: `lowerdir=${lower},upperdir=${upper},workdir=${work}`, target };
}

/**
 * Gives each job its own machine id, which it may change, and its overlays, in a mount namespace that ends with the
 * script.
 */
function asMachine(id: string, overlays: readonly Overlay[]): readonly string[] {
  const mounts = [
    'id=$0',
    'while [ "$1" != -- ]; do mount -t overlay -o "$1" overlay "$2" || exit; shift 2; done; shift',
    'for file in /etc/machine-id /var/lib/dbus/machine-id; do [ ! -f "$file" ] || [ -L "$file" ] || mount --bind "$id" "$file" || exit; done',
    'exec "$@"',
  ].join('; ');
  const user = process.getuid?.() === 0 ? [] : ['--user', '--map-current-user', '--keep-caps'];
  const mounted = overlays.flatMap(({ options, target }) => [options, target]);
  return ['unshare', ...user, '--mount', '/bin/sh', '-c', mounts, id, ...mounted, '--'];
}

/** Whether scripts can get overlays whose upper folders are below the given one. */
export async function canOverlay(folder: string): Promise<boolean> {
  const machine = await mkdtemp(join(folder, 'overlay-'));
  try {
    const [lower, id] = [join(machine, 'lower'), join(machine, 'id')];
    await mkdir(lower);
    await writeFile(id, '');
    const overlay = await makeOverlay(lower, join(machine, 'target'), machine);
    const [program = '', ...args] = [...asMachine(id, [overlay]), 'true'];
    const { failed } = await execa(program, args, { reject: false, stdin: 'ignore' });
    return !failed;
  } finally {
    await rm(machine, { recursive: true });
  }
}
