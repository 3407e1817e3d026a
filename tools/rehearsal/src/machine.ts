import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { basename, join, sep } from 'node:path';
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

/**
 * This machine, with a machine id of the job's own, and its overlays. Scripts see the job's work folder as `place`: like
 * /home/runner/work on GitHub's machines, it is the same for each job, so that what Node compiled for one, whose key is a
 * path, serves the next.
 */
export async function thisMachine(
  { folders, programs, overlays, env }: MachineOptions,
  place: string,
): Promise<Machine> {
  const id = join(folders.root, 'machine-id');
  await writeFile(id, `${randomBytes(16).toString('hex')}\n`);
  await mkdir(place, { recursive: true });
  const mounts = await Promise.all(
    Object.entries(overlays).map(([name, lower]) =>
      makeOverlay(lower, join(folders.workspace, name), folders.root),
    ),
  );
  const machine = asMachine(id, [
    ...mounts,
    { type: 'none', options: 'rbind', source: folders.work, target: place },
  ]);
  const pathOf = (path: string) => mountedPath([[folders.work, place]], path);
  const own = { ...env, PATH: `${programs}:${env.PATH ?? ''}` };
  return {
    pathOf,
    command: (program, more) => {
      const folder = pathOf(folders.workspace);
      // Bash would call it as `sh` did, which started outside of the mount.
      const [file = '', ...args] = [...machine, 'env', `--chdir=${folder}`, `PWD=${folder}`, ...program];
      return { file, args, cwd: folders.workspace, env: { ...own, ...withPaths(more, pathOf) } };
    },
    [Symbol.asyncDispose]: async () => undefined,
  };
}

/** What a path is called where folders are mounted elsewhere, by the last of them that it is in. Leaves others unchanged. */
export function mountedPath(mounts: readonly (readonly string[])[], path: string): string {
  const found = mounts.findLast(([source]) => path === source || path.startsWith(source + sep));
  const [source = '', target = ''] = found ?? [];
  return target + path.slice(source.length);
}

/** Variables whose values are translated if they are paths: Handlers/StepHost.cs of the runner, ContainerStepHost. */
export function withPaths(
  env: Readonly<Record<string, string>>,
  pathOf: (path: string) => string,
): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(env).map(([name, value]) => [name, pathOf(value)]));
}

/** A file system to mount, in mount's terms. */
export interface Mount {
  readonly type: string;
  readonly options: string;
  readonly source: string;
  readonly target: string;
}

/** Prepares an overlay whose changes are kept below the root of a job. */
export async function makeOverlay(lower: string, target: string, root: string): Promise<Mount> {
  const [upper, work] = ['upper', 'work'].map((kind) => join(root, 'overlays', basename(target), kind));
  for (const folder of [upper, work, target]) await mkdir(folder as string, { recursive: true });
  const options = `lowerdir=${lower},upperdir=${upper},workdir=${work}`;
  return { type: 'overlay', options, source: 'overlay', target };
}

/**
 * Gives each job its own machine id, which it may change, and its mounts, in a mount namespace that ends with the
 * script.
 */
function asMachine(id: string, mounts: readonly Mount[]): readonly string[] {
  const script = [
    'id=$0',
    'while [ "$1" != -- ]; do mount -t "$1" -o "$2" "$3" "$4" || exit; shift 4; done; shift',
    'for file in /etc/machine-id /var/lib/dbus/machine-id; do [ ! -f "$file" ] || [ -L "$file" ] || mount --bind "$id" "$file" || exit; done',
    'exec "$@"',
  ].join('; ');
  const user = process.getuid?.() === 0 ? [] : ['--user', '--map-current-user', '--keep-caps'];
  const mounted = mounts.flatMap(({ type, options, source, target }) => [type, options, source, target]);
  return ['unshare', ...user, '--mount', '/bin/sh', '-c', script, id, ...mounted, '--'];
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
