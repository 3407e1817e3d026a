import { randomBytes } from 'node:crypto';
import { chown } from 'node:fs/promises';
import { join } from 'node:path';
import { clientArguments, type EngineClient, runClient } from './engine-client.ts';
import {
  type JobFolders,
  type Machine,
  type MachineOptions,
  makeOverlay,
  mountedPath,
  withPaths,
} from './machine.ts';
import { relayPorts } from './relay.ts';
import type { StandInImage } from './stand-in-image.ts';
import type { JobContainer } from './workflow.ts';

// File names in comments are those of the actions runner:
// https://github.com/actions/runner/tree/main/src/Runner.Worker

/** What jobs with `container:` need on this machine. */
export interface ContainerEngine {
  readonly client: EngineClient;
  /** Returns the stand-in for an image that a workflow names; undefined if there is none. */
  readonly standInFor: (image: string) => StandInImage | undefined;
  /** The ports on this machine's loopback that are also on the job's, which has no other network. */
  readonly ports: readonly number[];
}

/** What the engine is told about the container of a job. */
export interface ContainerPlan {
  readonly name: string;
  readonly settings: JobContainer;
  readonly image: StandInImage;
  readonly socket: string;
  readonly machine: MachineOptions;
  /** Volumes that are overlays, by their path in the container. */
  readonly overlays: readonly (readonly [volume: string, path: string])[];
}

/** The user that owns the job's folders on GitHub's machines; in the container, scripts run as root. */
const RUNNER = { uid: 1001, gid: 1001 };

/**
 * Starts the container of a job: one for all its steps, with the workflow's options as they are, and the job's folders
 * as volumes. Disposing of it removes the container and its volumes. Throws an error with the engine's message.
 */
export async function startJobContainer(
  { client, standInFor, ports }: ContainerEngine,
  settings: JobContainer,
  machine: MachineOptions,
): Promise<Machine> {
  const { folders } = machine;
  const image = standInFor(settings.image);
  if (image === undefined) throw new Error(`${settings.image}: no stand-in for this image`);
  const name = `rehearsal-${randomBytes(8).toString('hex')}`;
  const disposables = new AsyncDisposableStack();
  try {
    if (process.getuid?.() === 0) {
      for (const folder of [folders.work, folders.workspace, folders.temp, folders.home])
        await chown(folder, RUNNER.uid, RUNNER.gid);
    }
    const overlays = await createOverlays(client, name, machine);
    const plan = { name, settings, image, socket: client.socket, machine, overlays };
    const volumes = [...overlays.map(([volume]) => volume), ...namedVolumes(plan)];
    disposables.defer(async () => {
      if (volumes.length > 0) await runClient(client, 'volume', 'rm', '--force', ...volumes);
    });
    // ContainerOperationProvider.cs, StartContainerAsync. The image is already there, so none is pulled.
    await runClient(client, ...createArguments(plan));
    disposables.defer(async () => void (await runClient(client, 'rm', '--force', name)));
    await runClient(client, 'start', name);
    const pathOf = (path: string) => pathInContainer(folders, path);
    const container: Machine = {
      pathOf,
      command: (program, env) => ({
        file: client.program,
        args: clientArguments(client, ...execArguments(plan, program, env)),
        cwd: folders.work,
        env: withPaths(env, pathOf),
      }),
      [Symbol.asyncDispose]: () => disposables.disposeAsync(),
    };
    disposables.use(await relayPorts(ports, folders.temp, container));
    return container;
  } catch (error) {
    await disposables.disposeAsync();
    throw error;
  }
}

/** Creates a volume for each overlay, which the engine mounts when the container starts. */
async function createOverlays(
  client: EngineClient,
  name: string,
  { folders, overlays }: MachineOptions,
): Promise<ContainerPlan['overlays']> {
  return Promise.all(
    Object.entries(overlays).map(async ([each, lower], index) => {
      const { options, target } = await makeOverlay(lower, join(folders.workspace, each), folders.root);
      const volume = `${name}-overlay-${index}`;
      const mount = ['--opt=type=overlay', '--opt=device=overlay', `--opt=o=${options}`];
      await runClient(client, 'volume', 'create', ...mount, volume);
      return [volume, pathInContainer(folders, target)] as const;
    }),
  );
}

const SETTINGS: readonly string[] = ['image', 'options', 'volumes', 'env'] satisfies (keyof JobContainer)[];

/**
 * The arguments of `docker create`, in the runner's order: Container/DockerCommandManager.cs, DockerCreate. Throws an
 * error for settings and options that are not supported here.
 */
export function createArguments(plan: ContainerPlan): readonly string[] {
  const { name, settings, image, machine, overlays, socket } = plan;
  const { folders, programs } = machine;
  const unknown = Object.keys(settings).filter((each) => !SETTINGS.includes(each));
  if (unknown.length > 0)
    throw new Error(`container: expected only ${SETTINGS.join(', ')}, found ${unknown.join(', ')}`);
  const env = {
    ...image.env,
    PATH: `${programs}:${image.env.PATH ?? ''}`,
    CI: 'true',
    ...machine.env,
    HOME: pathInContainer(folders, folders.home),
    GITHUB_ACTIONS: 'true',
  };
  const volumes = [
    // Container/ContainerInfo.cs
    `${socket}:/var/run/docker.sock`,
    ...(settings.volumes ?? []).map((volume) => ownVolume(volume, name)),
    ...runnerVolumes(folders).map((volume) => volume.join(':')),
    ...overlays.map((overlay) => overlay.join(':')),
    `${programs}:${programs}:ro`,
    ...image.volumes,
  ];
  return [
    'create',
    ...['--name', name],
    ...['--workdir', pathInContainer(folders, folders.workspace)],
    // The runner creates a network for each job; an engine that leaves this machine's network alone has none.
    '--network=none',
    // The default on GitHub's machines, which have cgroup v2. With v1 it would be `host`.
    // https://docs.docker.com/reference/cli/docker/container/run/#cgroupns
    '--cgroupns=private',
    ...splitOptions(settings.options ?? ''),
    ...Object.entries(env).flatMap(([key, value]) => ['--env', `${key}=${value}`]),
    ...volumes.flatMap((volume) => ['--volume', volume]),
    ...['--entrypoint', 'tail', image.reference, '-f', '/dev/null'],
  ];
}

/**
 * The arguments of `docker exec`: Handlers/StepHost.cs, ContainerStepHost. The variables are only named, since the
 * client has them itself: no list of processes shows their values.
 */
function execArguments(
  { name, machine: { folders } }: ContainerPlan,
  program: readonly string[],
  env: Readonly<Record<string, string>>,
): readonly string[] {
  return [
    ...['exec', '--interactive', '--workdir', pathInContainer(folders, folders.workspace)],
    ...Object.keys(env).flatMap((key) => ['--env', key]),
    ...[name, ...program],
  ];
}

/** The runner's folders, and where it mounts them: ContainerOperationProvider.cs, Container/ContainerInfo.cs. */
function runnerVolumes({ root, work, temp, home }: JobFolders): readonly (readonly string[])[] {
  return [
    [work, '/__w'],
    [join(root, 'externals'), '/__e', 'ro'],
    [temp, '/__w/_temp'],
    [join(work, '_actions'), '/__w/_actions'],
    [join(work, '_tool'), '/__t'],
    [home, '/github/home'],
    [join(temp, '_github_workflow'), '/github/workflow'],
  ];
}

/** Container/ContainerInfo.cs, TranslateToContainerPath. */
function pathInContainer(folders: JobFolders, path: string): string {
  return mountedPath(runnerVolumes(folders), path);
}

/** Jobs have fresh machines on GitHub, so a volume with a name is always a new one. */
function ownVolume(volume: string, name: string): string {
  return isNamed(volume) ? `${name}-${volume}` : volume;
}

function namedVolumes({ settings, name }: ContainerPlan): readonly string[] {
  return (settings.volumes ?? []).filter(isNamed).map((volume) => ownVolume(volume, name).replace(/:.*/, ''));
}

function isNamed(volume: string): boolean {
  return /^[^/]+:\//.test(volume);
}

// GitHub refuses the two options, too. Quotes would need the runner's own rules to split arguments.
// https://docs.github.com/actions/reference/workflows-and-actions/workflow-syntax#jobsjob_idcontaineroptions
function splitOptions(options: string): readonly string[] {
  const refused = /--(network|entrypoint)\b|["'\\]/.exec(options)?.[0];
  if (refused !== undefined)
    throw new Error(`container.options: expected none with ${refused}, found ${options}`);
  return options.split(/\s+/).filter((option) => option !== '');
}
