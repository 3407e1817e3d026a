import { readFile } from 'node:fs/promises';
import { delimiter, join, sep } from 'node:path';
import { execa } from 'execa';

/** The workspace that these tests belong to. */
export const THIS_WORKSPACE = join(import.meta.dirname, '../../../..');

/** No command of these tests takes a third of this. */
const DEADLINE_MS = 600_000;

/** How a command ended, with stdout and stderr in the order in which they were written. */
export interface Ended {
  readonly exitCode: number;
  readonly output: string;
}

/** What Nx did about each task of a run, by the task's id. */
export type TaskResults = Readonly<Record<string, 'hit' | 'miss'>>;

const KEPT: ReadonlySet<string> = new Set([
  ...['registry', 'cafile', 'cache', 'userconfig'].map((name) => `npm_config_${name}`),
  'NODE_EXTRA_CA_CERTS',
  // Changes nothing but how soon Node has started.
  'NODE_COMPILE_CACHE',
]);
const DROPPED =
  /^(npm_|vitest|nx_|docker_|buildx_|node_|github_|actions_|runner_|test$|registry$|release_version$|source_date_epoch$)/i;

/**
 * The environment of a user’s shell: without what npm, vitest, Nx and a job of GitHub have added to this one, and with a
 * Docker engine that does not exist, so that nothing depends on one by chance.
 */
export function userEnvironment(env: NodeJS.ProcessEnv = process.env): Readonly<Record<string, string>> {
  const kept = Object.entries(env).filter(([name]) => !DROPPED.test(name) || KEPT.has(name));
  const folders = (env.PATH ?? '')
    .split(delimiter)
    .filter((folder) => !folder.split(sep).includes('node_modules'));
  return {
    ...Object.fromEntries(kept.flatMap(([name, value]) => (value === undefined ? [] : [[name, value]]))),
    PATH: folders.join(delimiter),
    DOCKER_HOST: 'unix:///nonexistent/docker.sock',
    NX_DAEMON: 'false',
  };
}

/** Runs a program to its end in a folder, with nothing of this process's environment. */
export async function run(
  folder: string,
  file: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = userEnvironment(),
): Promise<Ended> {
  const result = await execa(file, [...args], {
    cwd: folder,
    env,
    extendEnv: false,
    all: true,
    reject: false,
    stdin: 'ignore',
    maxBuffer: 64 * 1024 * 1024,
    timeout: DEADLINE_MS,
  });
  if (result.exitCode === undefined)
    throw new Error(`${result.command}: ${result.shortMessage}`, { cause: result });
  return { exitCode: result.exitCode, output: result.all };
}

/** As `run`, but a failure is an error that shows the output. Returns the output. */
export async function runOk(...args: Parameters<typeof run>): Promise<string> {
  const [folder, file, parameters] = args;
  const { exitCode, output } = await run(...args);
  if (exitCode !== 0) {
    throw new Error(`${file} ${parameters.join(' ')} in ${folder}: exit code ${exitCode}\n${output}`);
  }
  return output;
}

/** What `npx nx …` starts, and its environment; npx itself would take as long again. */
export function nxCommand(
  folder: string,
  env: Readonly<Record<string, string>> = userEnvironment(),
): { readonly file: string; readonly env: Readonly<Record<string, string>> } {
  const programs = join(folder, 'node_modules/.bin');
  return { file: join(programs, 'nx'), env: { ...env, PATH: [programs, env.PATH].join(delimiter) } };
}

/** `npx nx …` as a user types it. */
export function nx(
  folder: string,
  args: readonly string[],
  more: Readonly<Record<string, string>> = {},
): Promise<Ended> {
  const { file, env } = nxCommand(folder, { ...userEnvironment(), ...more });
  return run(folder, file, args, env);
}

/** As `nx`, but a failure is an error. Returns what became of each task. */
export async function nxTasks(
  folder: string,
  args: readonly string[],
  more: Readonly<Record<string, string>> = {},
): Promise<TaskResults> {
  const { file, env } = nxCommand(folder, { ...userEnvironment(), ...more });
  await runOk(folder, file, args, env);
  return readTaskResults(join(folder, '.nx/cache'));
}

/** What became of each task of the last run, as Nx notes it in its cache's folder. */
export async function readTaskResults(cache: string): Promise<TaskResults> {
  const { tasks }: { tasks: readonly { taskId: string; cacheStatus: string }[] } = JSON.parse(
    await readFile(join(cache, 'run.json'), 'utf8'),
  );
  return Object.fromEntries(
    tasks.map(({ taskId, cacheStatus }) => [taskId, cacheStatus === 'cache-miss' ? 'miss' : 'hit']),
  );
}

/** Which of these programs can't be run here, as a reason to skip a test; undefined where all can. */
export async function missingProgram(...files: readonly string[]): Promise<string | undefined> {
  for (const file of files) {
    const { failed } = await execa(file, ['--version'], { reject: false, stdin: 'ignore' });
    if (failed) return `${file} is not installed`;
  }
  return undefined;
}
