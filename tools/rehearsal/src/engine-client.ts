import { execa } from 'execa';

/** The client of a Docker engine, and where it finds the engine and its own settings. */
export interface EngineClient {
  /** The path of the program `docker`. */
  readonly program: string;
  /** The path of the engine's socket. */
  readonly socket: string;
  /** The folder with the client's settings. */
  readonly config: string;
}

/** The client's options for a command, so that it needs no variables: with `docker exec`, they are the container's. */
export function clientArguments({ socket, config }: EngineClient, ...args: readonly string[]): string[] {
  return ['--config', config, '--host', `unix://${socket}`, ...args];
}

/** Runs the client and returns its output. Throws an error with its messages if it fails. */
export async function runClient(client: EngineClient, ...args: readonly string[]): Promise<string> {
  const { stdout } = await execa(client.program, clientArguments(client, ...args), { stdin: 'ignore' });
  return stdout;
}
