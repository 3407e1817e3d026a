import { mkdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { delimiter, dirname, join } from 'node:path';
import { execa } from 'execa';
import { emulationWorks, registerEmulation, unregisterEmulation } from './emulation.ts';
import { dockerProblem, type EngineEnvironment, environmentOf, registryProblem } from './environment.ts';
import { EngineError } from './errors.ts';
import type { EngineLayout } from './layout.ts';
import { withLock } from './lock.ts';
import {
  installSystemPackages,
  parseDistribution,
  REGISTRY_SOURCES,
  requireDebian,
  UNPACKED_READER,
  unpackPackages,
} from './packages.ts';
import { isRunning, type ProcessIdentity, startProgram, stopProcess, waitUntilReady } from './processes.ts';
import { type ProgramName, planEngine } from './programs.ts';
import type { Say } from './say.ts';
import { type EngineState, PROGRAM_NAMES, readState, removeState, writeState } from './state.ts';

/** The options of `up`. */
export interface UpOptions {
  /** The registry's port on 127.0.0.1; defaults to the running engine's, or else 5055. */
  readonly registryPort: number | undefined;
  /** Whether to provide skopeo, umoci, kubectl and the sources of another registry as well. */
  readonly withReaders: boolean;
}

/** The status of the engine and of each part. */
export interface EngineStatus {
  readonly state: 'up' | 'down' | 'broken';
  readonly parts: readonly { readonly name: string; readonly found: string; readonly ok: boolean }[];
  /** Present if the engine has been started. */
  readonly environment: EngineEnvironment | undefined;
}

const DEFAULT_REGISTRY_PORT = 5055;
/** Loading a large image store takes dockerd a while on a slow disk. */
const START_TIMEOUT_MS = 90_000;
/** dockerd gives each container 15 s to exit. */
const STOP_TIMEOUT_MS = 60_000;

/**
 * Starts those of the engine, the registry and the emulation that are not running, and returns their environment. Safe
 * to run again at any time. If it fails, it stops what it has started.
 */
export async function startEngine(
  layout: EngineLayout,
  options: UpOptions,
  env: NodeJS.ProcessEnv,
  say: Say,
): Promise<EngineEnvironment> {
  requireRoot('up');
  requireDebian(parseDistribution(await readFile('/etc/os-release', 'utf8')));
  requireShortSocketPath(layout);
  await mkdir(layout.home, { recursive: true });
  return withLock(layout.lock, async () => {
    const before = await readState(layout);
    const registryPort = options.registryPort ?? before?.registryPort ?? DEFAULT_REGISTRY_PORT;
    await installSystemPackages(options.withReaders, say);
    const running = await runningPrograms(before);
    if (running.registry !== undefined && before?.registryPort !== registryPort) {
      throw new EngineError(
        'PORT_TAKEN',
        `registry: expected port ${registryPort}, found it running on port ${before?.registryPort}`,
        { hint: 'Run npm run engine -- down first, or leave out --registry-port.' },
      );
    }
    if (running.registry === undefined) await requireFreePort(registryPort);
    const readers =
      options.withReaders && !(await isOnPath(UNPACKED_READER, layout, env)) ? [UNPACKED_READER] : [];
    const sources = options.withReaders ? [REGISTRY_SOURCES] : [];
    const versions = await unpackPackages(layout, [...readers, ...sources], say);
    await linkPrograms(layout, ['docker', ...readers]);
    const state = await startMissing(
      layout,
      { registryPort, processes: running, emulation: before?.emulation },
      env,
      say,
    );
    const environment = environmentOf(layout, state.registryPort, env);
    const problem = await dockerProblem(environment);
    if (problem !== undefined)
      throw new EngineError('START_FAILED', problem, { hint: `Logs: ${layout.logs}` });
    say(
      `engine: docker ${versions['docker.io']}, buildx ${versions['docker-buildx']}, containerd ${versions.containerd}`,
    );
    return environment;
  });
}

/** Stops exactly what `up` started, and removes its emulation; with `purge`, also removes the engine's files. */
export async function stopEngine(layout: EngineLayout, purge: boolean, say: Say): Promise<void> {
  requireRoot('down');
  await mkdir(layout.home, { recursive: true });
  await withLock(layout.lock, async () => {
    const state = await readState(layout);
    if (state === undefined) say('engine: not running');
    else await stopAll(layout, state, say);
    if (purge) await removeFiles(layout);
  });
  if (purge) say(`engine: removed its files from ${layout.home}`);
}

/** Checks every part of the engine; changes nothing. */
export async function inspectEngine(layout: EngineLayout, env: NodeJS.ProcessEnv): Promise<EngineStatus> {
  const state = await readState(layout);
  if (state === undefined) return { state: 'down', parts: [], environment: undefined };
  const environment = environmentOf(layout, state.registryPort, env);
  const parts: EngineStatus['parts'][number][] = [];
  for (const name of PROGRAM_NAMES) {
    const identity = state.processes[name];
    const ok = identity !== undefined && (await isRunning(identity));
    parts.push({ name, ok, found: ok ? `process ${identity.pid}` : 'not running' });
  }
  const docker = await dockerProblem(environment);
  parts.push({ name: 'docker', ok: docker === undefined, found: docker ?? environment.DOCKER_HOST });
  const registry = await registryProblem(environment.REGISTRY);
  parts.push({ name: 'registry API', ok: registry === undefined, found: registry ?? environment.REGISTRY });
  const emulated = state.emulation !== undefined && (await emulationWorks(state.emulation));
  parts.push({
    name: 'emulation',
    ok: emulated,
    found:
      emulated && state.emulation !== undefined
        ? `${state.emulation.name} (${state.emulation.kind})`
        : 'missing',
  });
  return { state: parts.every((part) => part.ok) ? 'up' : 'broken', parts, environment };
}

async function linkPrograms(layout: EngineLayout, names: readonly string[]): Promise<void> {
  await mkdir(layout.bin, { recursive: true });
  for (const name of names) {
    await rm(join(layout.bin, name), { force: true });
    await symlink(join(layout.packages, 'usr/bin', name), join(layout.bin, name));
  }
}

// Outside the engine's own folder.
async function isOnPath(name: string, layout: EngineLayout, env: NodeJS.ProcessEnv): Promise<boolean> {
  for (const folder of (env.PATH ?? '').split(delimiter)) {
    if (folder === '' || folder === layout.bin) continue;
    const found = await stat(join(folder, name)).catch(() => undefined);
    if (found?.isFile() === true) return true;
  }
  return false;
}

type Processes = EngineState['processes'];

async function runningPrograms(state: EngineState | undefined): Promise<Processes> {
  const running: Partial<Record<ProgramName, ProcessIdentity>> = {};
  for (const name of PROGRAM_NAMES) {
    const identity = state?.processes[name];
    if (identity !== undefined && (await isRunning(identity))) running[name] = identity;
  }
  return running;
}

async function startMissing(
  layout: EngineLayout,
  found: EngineState,
  env: NodeJS.ProcessEnv,
  say: Say,
): Promise<EngineState> {
  const plan = planEngine(layout, found.registryPort, env);
  for (const folder of [layout.run, layout.logs, layout.registryData]) {
    await mkdir(folder, { recursive: true });
  }
  for (const file of plan.files) {
    await mkdir(dirname(file.path), { recursive: true });
    await writeFile(file.path, file.text);
  }

  const answers: Readonly<Record<ProgramName, () => Promise<boolean>>> = {
    containerd: () => listens(layout.containerdSocket),
    dockerd: () => listens(layout.dockerSocket),
    registry: async () => (await registryProblem(`127.0.0.1:${found.registryPort}`)) === undefined,
  };
  let state = found;
  const started: ProgramName[] = [];
  try {
    const emulation =
      state.emulation !== undefined && (await emulationWorks(state.emulation))
        ? state.emulation
        : await registerEmulation(layout.packages);
    state = { ...state, emulation };
    await writeState(layout, state);
    for (const name of PROGRAM_NAMES) {
      if (state.processes[name] !== undefined) continue;
      const command = plan.programs[name];
      const identity = await startProgram(command);
      started.push(name);
      state = { ...state, processes: { ...state.processes, [name]: identity } };
      await writeState(layout, state);
      await waitUntilReady(command, identity, answers[name], START_TIMEOUT_MS);
      say(`${name}: started (process ${identity.pid})`);
    }
    return state;
  } catch (error) {
    if (started.length > 0) await stopAll(layout, state, say);
    throw error;
  }
}

async function stopAll(layout: EngineLayout, state: EngineState, say: Say): Promise<void> {
  for (const name of PROGRAM_NAMES.toReversed()) {
    const identity = state.processes[name];
    if (identity === undefined) continue;
    const stopped = await stopProcess(name, identity, STOP_TIMEOUT_MS);
    say(stopped ? `${name}: stopped (process ${identity.pid})` : `${name}: was not running`);
  }
  if (state.emulation !== undefined) {
    const removed = await unregisterEmulation(state.emulation);
    say(
      removed
        ? `emulation: ${state.emulation.name} removed`
        : `emulation: ${state.emulation.name} left unchanged`,
    );
  }
  await removeState(layout);
}

// Only the engine's own folders: PREBUILT_ENGINE_HOME may contain other files.
async function removeFiles(layout: EngineLayout): Promise<void> {
  const { packages, apt, bin, clientConfig, dockerData, containerdData, registryData, run, logs } = layout;
  const folders = [run, dockerData, containerdData, registryData, logs, clientConfig, bin, apt, packages];
  // dockerd may leave its data folder and a network namespace mounted.
  const mounts = (await readFile('/proc/self/mountinfo', 'utf8'))
    .split('\n')
    .map((line) => line.split(' ')[4] ?? '')
    .filter((point) => folders.some((folder) => point === folder || point.startsWith(`${folder}/`)));
  for (const point of mounts.toReversed()) await execa('umount', [point]);
  for (const folder of folders) await rm(folder, { recursive: true, force: true });
}

function requireRoot(command: string): void {
  if (process.getuid?.() === 0) return;
  throw new EngineError('NOT_ROOT', `user: expected root, found user id ${process.getuid?.() ?? 'unknown'}`, {
    hint: `Run it as root: sudo npm run engine -- ${command}`,
  });
}

function requireShortSocketPath(layout: EngineLayout): void {
  const bytes = Buffer.byteLength(layout.containerdSocket) + '.ttrpc'.length;
  if (bytes <= 107) return;
  throw new EngineError(
    'INVALID_ARGUMENTS',
    `${layout.containerdSocket}: expected at most 107 bytes, found ${bytes}`,
    {
      hint: 'Set PREBUILT_ENGINE_HOME to a shorter path.',
    },
  );
}

async function requireFreePort(port: number): Promise<void> {
  const server = createServer();
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen({ host: '127.0.0.1', port, exclusive: true }, resolve);
    });
  } catch (cause) {
    throw new EngineError(
      'PORT_TAKEN',
      `registry: expected port ${port} on 127.0.0.1 to be free, found it in use`,
      {
        hint: 'Choose another: npm run engine -- up --registry-port=PORT',
        cause,
      },
    );
  }
  await new Promise((resolve) => server.close(resolve));
}

async function listens(path: string): Promise<boolean> {
  return new Promise((settle) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      settle(true);
    });
    socket.once('error', () => settle(false));
  });
}
