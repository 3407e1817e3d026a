import { readdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { type CommandOutput, commandOutput } from '../process/command-output.ts';

/** Whether buildx is usable here, or why not. */
export type BuilderFacts =
  | {
      readonly usable: true;
      readonly name: string;
      readonly driver: string;
      /** The version of buildx; undefined if the docker client doesn't report it. */
      readonly buildx: string | undefined;
      /** BuildKit's version; undefined if the builder doesn't report it. */
      readonly buildkit?: string | undefined;
    }
  | { readonly usable: false; readonly reason: string; readonly hint: string };

/** The engine that responded. */
export interface EngineFacts {
  readonly version: string;
}

const INSTALL_BUILDX = 'Install it: https://docs.docker.com/go/buildx/, or use --builder=daemonless.';
const START_AN_ENGINE =
  'Start Docker, point DOCKER_HOST at an engine, or use --builder=daemonless, which needs no engine.';
const USE_CONTAINERD =
  'Turn on the containerd image store ("features": {"containerd-snapshotter": true} in /etc/docker/daemon.json, then restart), or create a builder (docker buildx create --use), or use --builder=daemonless.';

/** How long an engine may take to respond, in milliseconds. */
const ANSWER_TIMEOUT_MS = 10_000;

/** The builder and the engine, as reported by the docker client. */
export interface DockerFacts {
  /** Undefined if buildx isn't wanted. */
  readonly builder: BuilderFacts | undefined;
  /** Undefined if none responded. */
  readonly engine: EngineFacts | undefined;
}

/** The relevant fields of `docker info`, which are empty without an engine. */
interface DockerInfo {
  readonly ServerVersion?: string;
  readonly DriverStatus?: readonly (readonly string[])[] | null;
  readonly ClientInfo?: {
    readonly Context?: string;
    readonly Plugins?: readonly { readonly Name: string; readonly Version?: string }[];
  };
}

/**
 * Finds the engine and, unless daemonless is wanted, checks whether a builder (by default the current one) can write
 * OCI layouts: every driver can, except that the `docker` driver needs the engine's containerd image store.
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
  return { builder: inspectedBuilder(inspected, told, info), engine };
}

/**
 * The same facts for a cache key, several times faster where the engine is the only builder: then everything about the
 * builder follows from the engine and buildx, even BuildKit's version, which is left out.
 */
export async function readDockerKey(
  wanted: 'auto' | 'buildx' | 'daemonless',
  name: string | undefined,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<DockerFacts> {
  if (wanted === 'daemonless' || name !== undefined || hasOtherBuilders(environment)) {
    return readDockerFacts(wanted, name);
  }
  const told = await ask('info', '--format', '{{json .}}');
  const info = told.ok ? parseInfo(told.text) : undefined;
  const builder = { name: info?.ClientInfo?.Context ?? 'default', driver: 'docker', buildkit: undefined };
  return {
    builder: withoutPlugin(told, info) ?? usableBuilder(builder, told, info),
    engine: engineOf(info?.ServerVersion ?? ''),
  };
}

/**
 * Whether the current builder may be other than the engine itself. `docker buildx create` keeps each builder in a file.
 * https://docs.docker.com/build/building/variables/#buildx_config
 * https://github.com/docker/buildx/blob/v0.13.1/store/storeutil/storeutil.go
 */
function hasOtherBuilders({
  BUILDX_BUILDER,
  BUILDX_CONFIG,
  DOCKER_CONFIG,
}: Readonly<Record<string, string | undefined>>): boolean {
  if (BUILDX_BUILDER) return true;
  const folder = BUILDX_CONFIG || join(DOCKER_CONFIG || join(homedir(), '.docker'), 'buildx');
  try {
    return readdirSync(join(folder, 'instances')).length > 0;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ENOENT';
  }
}

function inspectedBuilder(
  inspected: CommandOutput,
  told: CommandOutput,
  info: DockerInfo | undefined,
): BuilderFacts {
  const lacking = withoutPlugin(inspected, info);
  if (lacking !== undefined) return lacking;
  if (!inspected.ok) return unusable(`docker buildx inspect: ${inspected.text}`, START_AN_ENGINE);
  const error = /^Error:\s*(.+)$/m.exec(inspected.text)?.[1];
  if (error !== undefined) return unusable(`docker buildx inspect: ${error}`, START_AN_ENGINE);
  const driver = /^Driver:\s*(\S+)$/m.exec(inspected.text)?.[1];
  const name = /^Name:\s*(\S+)$/m.exec(inspected.text)?.[1];
  if (driver === undefined || name === undefined) {
    return unusable('docker buildx inspect reports no driver', INSTALL_BUILDX);
  }
  const buildkit = /^BuildKit(?: version)?:\s*(\S+)$/m.exec(inspected.text)?.[1];
  return usableBuilder({ name, driver, buildkit }, told, info);
}

function withoutPlugin({ missing }: CommandOutput, info: DockerInfo | undefined): BuilderFacts | undefined {
  if (missing) return unusable('there is no docker client in PATH', START_AN_ENGINE);
  const plugins = info?.ClientInfo?.Plugins;
  if (plugins === undefined || plugins.some(({ Name }) => Name === 'buildx')) return undefined;
  return unusable('the docker client has no buildx plugin', INSTALL_BUILDX);
}

function usableBuilder(
  builder: { readonly name: string; readonly driver: string; readonly buildkit: string | undefined },
  told: CommandOutput,
  info: DockerInfo | undefined,
): BuilderFacts {
  if (builder.driver === 'docker') {
    if (!told.ok) return unusable(`docker info: ${told.text}`, START_AN_ENGINE);
    if (!info?.DriverStatus?.some((field) => field.includes('io.containerd.snapshotter.v1'))) {
      return unusable(
        `the builder ${builder.name} uses the "docker" driver without a containerd image store, so it can't write OCI layouts`,
        USE_CONTAINERD,
      );
    }
  }
  const buildx = info?.ClientInfo?.Plugins?.find(({ Name }) => Name === 'buildx')?.Version;
  return { usable: true, ...builder, buildx };
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
