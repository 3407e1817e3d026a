import { get } from 'node:http';
import { delimiter, resolve } from 'node:path';
import { execa } from 'execa';
import { emulationWorks } from './emulation.ts';
import { DEFAULT_HOME, type EngineLayout, engineLayout } from './layout.ts';
import { readState } from './state.ts';

/** Environment variables that point `docker` at the engine, and the registry's `host:port`. */
export interface EngineEnvironment {
  readonly DOCKER_HOST: string;
  /** Lets the client find buildx. */
  readonly DOCKER_CONFIG: string;
  /** The caller's PATH, with the folder of the engine's `docker` in front. */
  readonly PATH: string;
  /** On loopback, plain HTTP, no credentials: `127.0.0.1:PORT`. */
  readonly REGISTRY: string;
}

/** Whether the engine can be used, and with which environment, or why not. */
export type EngineAvailability =
  | { readonly available: true; readonly environment: EngineEnvironment }
  | { readonly available: false; readonly reason: string };

/**
 * The environment of the engine that `npm run engine -- up` started, if dockerd (with buildx and the containerd image
 * store), the registry and the emulation of the other platform all work now; otherwise the reason, with what is missing
 * and what to do. Throws STATE if the engine's record can't be parsed. Takes about 0.3 s.
 */
export async function engineEnvironment(env: NodeJS.ProcessEnv = process.env): Promise<EngineAvailability> {
  const layout = layoutFrom(env);
  const state = await readState(layout);
  if (state === undefined) {
    return { available: false, reason: 'the engine is not up; start it as root: npm run engine -- up' };
  }
  const environment = environmentOf(layout, state.registryPort, env);
  const problems = [
    await dockerProblem(environment),
    await registryProblem(environment.REGISTRY),
    state.emulation !== undefined && (await emulationWorks(state.emulation))
      ? undefined
      : 'emulation: the entry in binfmt_misc is gone',
  ].filter((problem) => problem !== undefined);
  if (problems.length === 0) return { available: true, environment };
  return {
    available: false,
    reason: `the engine was started but can't be used (${problems.join('; ')}); try: npm run engine -- down, then up`,
  };
}

/** The layout of the engine for this environment: in PREBUILT_ENGINE_HOME, or the default folder. */
export function layoutFrom(env: NodeJS.ProcessEnv): EngineLayout {
  const home = env.PREBUILT_ENGINE_HOME;
  return engineLayout(home === undefined || home === '' ? DEFAULT_HOME : resolve(home));
}

/** The environment of an engine with this layout. */
export function environmentOf(
  layout: EngineLayout,
  registryPort: number,
  env: NodeJS.ProcessEnv,
): EngineEnvironment {
  const rest = (env.PATH ?? '').split(delimiter).filter((folder) => folder !== layout.bin);
  return {
    DOCKER_HOST: `unix://${layout.dockerSocket}`,
    DOCKER_CONFIG: layout.clientConfig,
    PATH: [layout.bin, ...rest].join(delimiter),
    REGISTRY: `127.0.0.1:${registryPort}`,
  };
}

/** The environment as lines for a POSIX shell to evaluate; PATH is extended, not replaced. */
export function shellExports(layout: EngineLayout, environment: EngineEnvironment): string {
  const quote = (value: string) => `'${value.replaceAll("'", String.raw`'\''`)}'`;
  return [
    `export DOCKER_HOST=${quote(environment.DOCKER_HOST)}`,
    `export DOCKER_CONFIG=${quote(environment.DOCKER_CONFIG)}`,
    `export REGISTRY=${quote(environment.REGISTRY)}`,
    `export PATH=${quote(layout.bin)}:"$PATH"`,
  ].join('\n');
}

/** Why `docker` can't be used with this environment; undefined if it can. */
export async function dockerProblem(environment: EngineEnvironment): Promise<string | undefined> {
  const { DOCKER_HOST, DOCKER_CONFIG, PATH } = environment;
  const options = { env: { DOCKER_HOST, DOCKER_CONFIG, PATH }, reject: false, timeout: 10_000 } as const;
  const info = await execa('docker', ['info', '--format', '{{json .DriverStatus}}'], options);
  if (info.failed) return `docker info: ${info.stderr || info.shortMessage}`;
  if (!info.stdout.includes('io.containerd.snapshotter.v1')) {
    return `docker info: expected the containerd image store, found ${info.stdout}`;
  }
  const buildx = await execa('docker', ['buildx', 'version'], options);
  return buildx.failed ? `docker buildx version: ${buildx.stderr || buildx.shortMessage}` : undefined;
}

/** Why the registry can't be used; undefined if it can. */
export async function registryProblem(registry: string): Promise<string | undefined> {
  const url = `http://${registry}/v2/`;
  return new Promise((settle) => {
    const request = get(url, { timeout: 5_000, agent: false }, (response) => {
      response.resume();
      const { statusCode } = response;
      settle(statusCode === 200 ? undefined : `registry: expected 200 from ${url}, found ${statusCode}`);
    });
    request.once('timeout', () => request.destroy(new Error('no answer after 5 s')));
    request.once('error', (error) => settle(`registry: ${url}: ${error.message}`));
  });
}
