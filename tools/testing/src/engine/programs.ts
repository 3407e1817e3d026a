import { join } from 'node:path';
import type { EngineLayout } from './layout.ts';
import type { ProgramCommand } from './processes.ts';

/** A file to write before the programs start. */
export interface ConfigurationFile {
  readonly path: string;
  readonly text: string;
}

/** The engine's three programs, in start order; they are stopped in reverse. */
export type ProgramName = 'containerd' | 'dockerd' | 'registry';

/** What `up` will write and start. */
export interface EnginePlan {
  readonly files: readonly ConfigurationFile[];
  readonly programs: Readonly<Record<ProgramName, ProgramCommand>>;
}

/** Variables that long-lived daemons inherit from the caller's environment: never its credentials. */
const INHERITED = ['HOME', 'LANG', 'TMPDIR', 'SSL_CERT_FILE', 'SSL_CERT_DIR'].concat(
  ['HTTP_PROXY', 'HTTPS_PROXY', 'NO_PROXY'].flatMap((name) => [name, name.toLowerCase()]),
);

/**
 * The configuration and commands of the engine: its own containerd (dockerd would use the machine's); dockerd with the
 * containerd image store, but no bridge and no firewall rules, which would change the machine's network (containers run
 * with `--network=none` or `--network=host`); and a registry on loopback that keeps uploads and allows deletion.
 *
 * @see https://docs.docker.com/engine/storage/containerd/
 * @see https://distribution.github.io/distribution/about/configuration/
 */
export function planEngine(layout: EngineLayout, registryPort: number, env: NodeJS.ProcessEnv): EnginePlan {
  const program = (name: string) => join(layout.packages, 'usr', name);
  const containerdConfig = join(layout.run, 'containerd.toml');
  const dockerConfig = join(layout.run, 'daemon.json');
  const registryConfig = join(layout.run, 'registry.yml');
  const files: readonly ConfigurationFile[] = [
    {
      path: containerdConfig,
      text: `version = 2
root = ${JSON.stringify(layout.containerdData)}
state = ${JSON.stringify(join(layout.run, 'containerd'))}
disabled_plugins = ["io.containerd.grpc.v1.cri"]

[grpc]
address = ${JSON.stringify(layout.containerdSocket)}
`,
    },
    {
      path: dockerConfig,
      text: json({
        features: { 'containerd-snapshotter': true },
        'data-root': layout.dockerData,
        'exec-root': join(layout.run, 'docker'),
        pidfile: join(layout.run, 'docker.pid'),
        hosts: [`unix://${layout.dockerSocket}`],
        containerd: layout.containerdSocket,
        bridge: 'none',
        iptables: false,
        ip6tables: false,
        'ip-forward': false,
        'ip-masq': false,
        'userland-proxy': false,
        group: 'root',
      }),
    },
    {
      path: registryConfig,
      text: `version: 0.1
log:
  level: warn
  accesslog:
    disabled: true
storage:
  filesystem:
    rootdirectory: ${JSON.stringify(layout.registryData)}
  delete:
    enabled: true
http:
  addr: 127.0.0.1:${registryPort}
`,
    },
    {
      path: join(layout.clientConfig, 'config.json'),
      text: json({ cliPluginsExtraDirs: [program('libexec/docker/cli-plugins')] }),
    },
  ];
  const environment = {
    ...Object.fromEntries(INHERITED.map((name) => [name, env[name]])),
    PATH: [program('sbin'), program('bin'), '/usr/sbin', '/usr/bin', '/sbin', '/bin'].join(':'),
  };
  const command = (name: ProgramName, file: string, args: readonly string[]): ProgramCommand => ({
    name,
    file: program(file),
    args,
    env: environment,
    log: join(layout.logs, `${name}.log`),
  });
  return {
    files,
    programs: {
      containerd: command('containerd', 'bin/containerd', ['--config', containerdConfig]),
      dockerd: command('dockerd', 'sbin/dockerd', ['--config-file', dockerConfig]),
      registry: command('registry', 'bin/docker-registry', ['serve', registryConfig]),
    },
  };
}

function json(value: unknown): string {
  return `${JSON.stringify(value, undefined, 2)}\n`;
}
