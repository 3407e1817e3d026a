import { join } from 'node:path';

/** Where everything of the engine lives: one folder, so that nothing of the machine's own engine is touched. */
export interface EngineLayout {
  readonly home: string;
  /** Unpacked Debian packages: never installed, so no service of theirs starts and nothing is replaced. */
  readonly packages: string;
  /** apt's lists, cache and status for those packages. */
  readonly apt: string;
  /** On the PATH of those who use the engine: holds nothing but `docker`. */
  readonly bin: string;
  /** DOCKER_CONFIG: makes the client find buildx, and keeps the user's credentials out. */
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

/** The folder used unless PREBUILT_ENGINE_HOME names another: short, since the path of a socket has 107 bytes at most. */
export const DEFAULT_HOME = '/var/lib/prebuilt-engine';

/** Lays the engine out below a folder, given as an absolute path. */
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
