import { join } from 'node:path';

/** The paths of the engine: all in one folder, so that it never touches the machine's own engine. */
export interface EngineLayout {
  readonly home: string;
  /** Unpacked Debian packages. Never installed, so none of their services start and nothing is replaced. */
  readonly packages: string;
  /** apt's lists, cache and status for those packages. */
  readonly apt: string;
  /** Goes in the PATH of the engine's users: contains `docker`, and with `--with-readers` kubectl if missing. */
  readonly bin: string;
  /** DOCKER_CONFIG: lets the client find buildx, and keeps the user's credentials out. */
  readonly clientConfig: string;
  readonly dockerData: string;
  readonly containerdData: string;
  readonly registryData: string;
  readonly run: string;
  readonly dockerSocket: string;
  readonly containerdSocket: string;
  readonly logs: string;
  readonly state: string;
  readonly lock: string;
}

/** The default for PREBUILT_ENGINE_HOME. Short, since the path of a socket is limited to 107 bytes. */
export const DEFAULT_HOME = '/var/lib/prebuilt-engine';

/** The layout of an engine in a folder, given as an absolute path. */
export function engineLayout(home: string): EngineLayout {
  const run = join(home, 'run');
  return {
    home,
    packages: join(home, 'packages'),
    apt: join(home, 'apt'),
    bin: join(home, 'bin'),
    clientConfig: join(home, 'client'),
    dockerData: join(home, 'docker'),
    containerdData: join(home, 'containerd'),
    registryData: join(home, 'registry'),
    run,
    dockerSocket: join(run, 'docker.sock'),
    containerdSocket: join(run, 'containerd.sock'),
    logs: join(home, 'logs'),
    state: join(home, 'state.json'),
    lock: join(home, 'lock'),
  };
}
