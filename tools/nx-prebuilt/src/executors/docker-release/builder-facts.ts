import { execa } from 'execa';

/** Whether buildx can build what is asked here, or why not. */
export type BuilderFacts =
  | { readonly usable: true; readonly name: string; readonly driver: string; readonly buildx: string }
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

/**
 * Asks whether a builder can build images into OCI layouts: any but the `docker` driver can, and that one where the
 * engine has the containerd image store.
 * https://docs.docker.com/build/exporters/oci-docker/
 */
export async function readBuilderFacts(name: string | undefined): Promise<BuilderFacts> {
  const [version, inspected] = await Promise.all([
    ask('buildx', 'version'),
    ask('buildx', 'inspect', ...(name === undefined ? [] : [name])),
  ]);
  if (version.missing) return unusable('there is no docker client on the path', START_AN_ENGINE);
  if (!version.ok) return unusable(`docker buildx version: ${version.text}`, INSTALL_BUILDX);
  if (!inspected.ok) return unusable(`docker buildx inspect: ${inspected.text}`, START_AN_ENGINE);
  const error = /^Error:\s*(.+)$/m.exec(inspected.text)?.[1];
  if (error !== undefined) return unusable(`docker buildx inspect: ${error}`, START_AN_ENGINE);
  const driver = /^Driver:\s*(\S+)$/m.exec(inspected.text)?.[1];
  const found = /^Name:\s*(\S+)$/m.exec(inspected.text)?.[1];
  if (driver === undefined || found === undefined) {
    return unusable('docker buildx inspect names no driver', INSTALL_BUILDX);
  }
  if (driver === 'docker') {
    const info = await ask('info', '--format', '{{json .DriverStatus}}');
    if (!info.ok) return unusable(`docker info: ${info.text}`, START_AN_ENGINE);
    if (!info.text.includes('io.containerd.snapshotter.v1')) {
      return unusable(
        `the builder ${found} has the driver "docker" and its engine no containerd image store, so it can't write OCI layouts`,
        USE_CONTAINERD,
      );
    }
  }
  return { usable: true, name: found, driver, buildx: version.text.split(' ').slice(0, 2).join(' ') };
}

/** The version of the engine; undefined where none answers. */
export async function readEngineFacts(): Promise<EngineFacts | undefined> {
  const version = await ask('version', '--format', '{{.Server.Version}}');
  return version.ok && /^\d+\./.test(version.text) ? { version: version.text } : undefined;
}

function unusable(reason: string, hint: string): BuilderFacts {
  return { usable: false, reason, hint };
}

async function ask(
  ...args: readonly string[]
): Promise<{ readonly ok: boolean; readonly missing: boolean; readonly text: string }> {
  const result = await execa('docker', [...args], {
    reject: false,
    stdin: 'ignore',
    timeout: ANSWER_TIMEOUT_MS,
  });
  if (!result.failed) return { ok: true, missing: false, text: result.stdout.trim() };
  const text = result.stderr.trim().split('\n')[0] || (result.shortMessage ?? 'failed');
  return { ok: false, missing: result.code === 'ENOENT', text };
}
