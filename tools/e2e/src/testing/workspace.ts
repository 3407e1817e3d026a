import { readFile } from 'node:fs/promises';
import { delimiter, join, sep } from 'node:path';
import { execa } from 'execa';

/** The workspace that these tests belong to. */
export const THIS_WORKSPACE = join(import.meta.dirname, '../../../..');

/** At least three times as long as any command in these tests takes. */
const DEADLINE_MS = 600_000;

/** The result of a command, with stdout and stderr interleaved as they were written. */
export interface Ended {
  readonly exitCode: number;
  readonly output: string;
}

/** The cache result of each task in an Nx run, by task id. */
export type TaskResults = Readonly<Record<string, 'hit' | 'miss'>>;

const KEPT: ReadonlySet<string> = new Set([
  ...['registry', 'cafile', 'cache', 'userconfig'].map((name) => `npm_config_${name}`),
  'NODE_EXTRA_CA_CERTS',
  // Only makes Node start faster.
  'NODE_COMPILE_CACHE',
]);
const DROPPED =
  /^(npm_|vitest|nx_|docker_|buildx_|node_|github_|actions_|runner_|test$|registry$|release_version$|source_date_epoch$)/i;

/**
 * The environment of a user’s shell: without the variables that npm, vitest, Nx and GitHub Actions have added to this
 * one, and with a nonexistent Docker engine, so that no test depends on one by chance.
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

/**
 * Lets Nx load its plugins itself: by default, it starts a process for each, which takes more than twice the time of all
 * else that most commands do. What the README and the first rehearsed release do runs without it, as users run Nx.
 */
export const PLUGINS_IN_ONE_PROCESS = { NX_ISOLATE_PLUGINS: 'false' } as const;

/** Runs a program in a folder until it exits, without this process's environment. */
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

/** Like `run`, but returns the output, and throws an error with the output if the program fails. */
export async function runOk(...args: Parameters<typeof run>): Promise<string> {
  const [folder, file, parameters] = args;
  const { exitCode, output } = await run(...args);
  if (exitCode !== 0) {
    throw new Error(`${file} ${parameters.join(' ')} in ${folder}: exit code ${exitCode}\n${output}`);
  }
  return output;
}

/** The program that `npx nx …` starts, and its environment with plugins in one process; npx would take as long again. */
export function nxCommand(
  folder: string,
  env: Readonly<Record<string, string>> = userEnvironment(),
): { readonly file: string; readonly env: Readonly<Record<string, string>> } {
  const programs = join(folder, 'node_modules/.bin');
  const path = [programs, env.PATH].join(delimiter);
  return { file: join(programs, 'nx'), env: { ...PLUGINS_IN_ONE_PROCESS, ...env, PATH: path } };
}

/** Runs `npx nx …` as a user would, but with plugins in one process. */
export function nx(
  folder: string,
  args: readonly string[],
  more: Readonly<Record<string, string>> = {},
): Promise<Ended> {
  const { file, env } = nxCommand(folder, { ...userEnvironment(), ...more });
  return run(folder, file, args, env);
}

/** Like `nx`, but returns the cache result of each task, and throws if the run fails. */
export async function nxTasks(
  folder: string,
  args: readonly string[],
  more: Readonly<Record<string, string>> = {},
): Promise<TaskResults> {
  const { file, env } = nxCommand(folder, { ...userEnvironment(), ...more });
  await runOk(folder, file, args, env);
  return readTaskResults(join(folder, '.nx/cache'));
}

/** The cache result of each task in the last run, which Nx records in its cache folder. */
export async function readTaskResults(cache: string): Promise<TaskResults> {
  const { tasks }: { tasks: readonly { taskId: string; cacheStatus: string }[] } = JSON.parse(
    await readFile(join(cache, 'run.json'), 'utf8'),
  );
  return Object.fromEntries(
    tasks.map(({ taskId, cacheStatus }) => [taskId, cacheStatus === 'cache-miss' ? 'miss' : 'hit']),
  );
}

/** The first of these programs that can't be run here, as a reason to skip a test; undefined if all can. */
export async function missingProgram(...files: readonly string[]): Promise<string | undefined> {
  for (const file of files) {
    const { failed } = await execa(file, ['--version'], { reject: false, stdin: 'ignore' });
    if (failed) return `${file} is not installed`;
  }
  return undefined;
}
