import { type CommandOutput, commandOutput } from '../process/command-output.ts';

/** Whether buildx can build what is asked here, or why not. */
export type BuilderFacts =
  | {
      readonly usable: true;
      readonly name: string;
      readonly driver: string;
      /** Its version; undefined where the docker client reports none. */
      readonly buildx: string | undefined;
      /** BuildKit's version; undefined where the builder reports none. */
      readonly buildkit?: string | undefined;
    }
  | { readonly usable: false; readonly reason: string; readonly hint: string };

/** The engine that answers. */
export interface EngineFacts {
  readonly version: string;
}

const INSTALL_BUILDX = 'Install it: https://docs.docker.com/go/buildx/, or use --builder=daemonless.';
const START_AN_ENGINE =
  'Start Docker, point DOCKER_HOST at an engine, or use --builder=daemonless, which needs none.';
const USE_CONTAINERD =
  'Turn on the containerd image store ("features": {"containerd-snapshotter": true} in /etc/docker/daemon.json, then restart), or create a builder (docker buildx create --use), or use --builder=daemonless.';

/** How long an engine may take to answer, in milliseconds. */
const ANSWER_TIMEOUT_MS = 10_000;

/** What a docker client reports about the builder and the engine. */
export interface DockerFacts {
  /** Undefined where buildx is not wanted. */
  readonly builder: BuilderFacts | undefined;
  /** Undefined where none answers. */
  readonly engine: EngineFacts | undefined;
}

/** What is read of `docker info`; without an engine its fields are empty. */
interface DockerInfo {
  readonly ServerVersion?: string;
  readonly DriverStatus?: readonly (readonly string[])[] | null;
  readonly ClientInfo?: {
    readonly Plugins?: readonly { readonly Name: string; readonly Version?: string }[];
  };
}

/**
 * Asks for the engine, and, unless daemonless is wanted, whether a builder (the current one unless named) can build
 * images into OCI layouts: any but the `docker` driver can, and that one where the engine has the containerd image store.
 * https://docs.docker.com/build/exporters/oci-docker/
 */
export async function readDockerFacts(
  wanted: 'auto' | 'buildx' | 'daemonless',
  name: string | undefined,
): Promise<DockerFacts> {
  if (wanted === 'daemonless') {
    const version = await ask('version', '--format', '{{.Server.Version}}');
    return { builder: undefined, engine: version.ok ? engineOf(version.text) : undefined };
  }
  const [inspected, told] = await Promise.all([
    ask('buildx', 'inspect', ...(name === undefined ? [] : [name])),
    ask('info', '--format', '{{json .}}'),
  ]);
  const info = told.ok ? parseInfo(told.text) : undefined;
  const engine = engineOf(info?.ServerVersion ?? '');
  return { builder: builderOf(inspected, told, info), engine };
}

function builderOf(
  inspected: CommandOutput,
  told: CommandOutput,
  info: DockerInfo | undefined,
): BuilderFacts {
  if (inspected.missing) return unusable('there is no docker client on the path', START_AN_ENGINE);
  const plugins = info?.ClientInfo?.Plugins;
  const plugin = plugins?.find(({ Name }) => Name === 'buildx');
  if (plugins !== undefined && plugin === undefined) {
    return unusable('the docker client has no plugin buildx', INSTALL_BUILDX);
  }
  if (!inspected.ok) return unusable(`docker buildx inspect: ${inspected.text}`, START_AN_ENGINE);
  const error = /^Error:\s*(.+)$/m.exec(inspected.text)?.[1];
  if (error !== undefined) return unusable(`docker buildx inspect: ${error}`, START_AN_ENGINE);
  const driver = /^Driver:\s*(\S+)$/m.exec(inspected.text)?.[1];
  const name = /^Name:\s*(\S+)$/m.exec(inspected.text)?.[1];
  if (driver === undefined || name === undefined) {
    return unusable('docker buildx inspect names no driver', INSTALL_BUILDX);
  }
  if (driver === 'docker') {
    if (!told.ok) return unusable(`docker info: ${told.text}`, START_AN_ENGINE);
    if (!info?.DriverStatus?.some((field) => field.includes('io.containerd.snapshotter.v1'))) {
      return unusable(
        `the builder ${name} has the driver "docker" and its engine no containerd image store, so it can't write OCI layouts`,
        USE_CONTAINERD,
      );
    }
  }
  const buildkit = /^BuildKit(?: version)?:\s*(\S+)$/m.exec(inspected.text)?.[1];
  return { usable: true, name, driver, buildx: plugin?.Version, buildkit };
}

function parseInfo(text: string): DockerInfo | undefined {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function engineOf(version: string): EngineFacts | undefined {
  return /^\d+\./.test(version) ? { version } : undefined;
}

function unusable(reason: string, hint: string): BuilderFacts {
  return { usable: false, reason, hint };
}

async function ask(...args: readonly string[]): Promise<CommandOutput> {
  const answer = await commandOutput('docker', args, { timeoutMs: ANSWER_TIMEOUT_MS });
  return { ...answer, text: answer.text.trim() };
}
