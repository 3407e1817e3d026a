import { delimiter } from 'node:path';
import { type ContainerEngine, type EngineClient, importStandInImage } from '@prebuilt/rehearsal';
import { DEFAULT_HOME, type EngineEnvironment, layoutFrom } from '@prebuilt/testing/engine';
import { userEnvironment } from './workspace.ts';

/** The image of the workflows' containers; another one would need another stand-in. */
const IMAGE = /^node:24-bookworm@sha256:[0-9a-f]{64}$/;

/**
 * Lets this machine's engine run the containers of jobs, with a stand-in for their image. Containers find the programs
 * of an engine unpacked, as they are on this machine: fetching them shows nothing about a workflow. Jobs can reach the
 * ports; `more` are further volumes, in Docker's notation.
 */
export async function jobContainers(
  engine: EngineEnvironment,
  ports: readonly number[] = [],
  more: readonly string[] = [],
): Promise<ContainerEngine & AsyncDisposable> {
  const { bin, packages, dockerSocket } = layoutFrom(process.env);
  const client: EngineClient = {
    program: `${bin}/docker`,
    socket: dockerSocket,
    config: engine.DOCKER_CONFIG,
  };
  const { PATH = '', NODE_COMPILE_CACHE } = userEnvironment();
  // Not the programs of this machine's engine, in place of which the job starts its own.
  const env = {
    PATH: PATH.split(delimiter)
      .filter((folder) => folder !== bin)
      .join(delimiter),
  };
  const compiled = NODE_COMPILE_CACHE === undefined ? {} : { NODE_COMPILE_CACHE };
  const image = await importStandInImage(client, { ...env, ...compiled }, [
    `${packages}:${DEFAULT_HOME}/packages:ro`,
    ...Object.values(compiled).map((folder) => `${folder}:${folder}`),
    ...more,
  ]);
  return {
    client,
    ports,
    standInFor: (name) => (IMAGE.test(name) ? image : undefined),
    [Symbol.asyncDispose]: () => image[Symbol.asyncDispose](),
  };
}
