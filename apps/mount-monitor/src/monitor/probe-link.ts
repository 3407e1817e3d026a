import { type ChildProcess, spawn } from 'node:child_process';
import type { Socket } from 'node:net';
import { probeChannel } from '../probe/protocol.ts';
import { type BunRuntime, type BunSocket, bun } from '../runtime.ts';

/** The program and the arguments that run it as a probe. */
export interface ProbeCommand {
  readonly file: string;
  readonly args: readonly string[];
}

/** Events of a linked process; each except `data` occurs at most once. */
export interface LinkEvents {
  /** The process wrote these bytes to its channel. */
  readonly data: (bytes: Buffer) => void;
  /** Nothing more will come through the channel. */
  readonly closed: () => void;
  /** The process exited, as the text describes. */
  readonly exited: (ending: string) => void;
  /** The process could not be started. */
  readonly failed: (error: unknown) => void;
}

/** A child process, and the socket that it has as {@link probeChannel}. */
export interface ProbeLink {
  readonly pid: number | undefined;
  send(bytes: Buffer): void;
  /** Kills the process and closes the channel without keeping this process alive for either. */
  end(): void;
}

/**
 * Nothing from outside may change what a probe does. The JIT is off, because a check is a few hundred lines of code and
 * the compiler threads take a sixth of a hung probe's memory. The extra garbage collection threads are off as well,
 * which saves another 0.2 MB.
 */
const env = { BUN_JSC_useJIT: '0', BUN_JSC_numberOfGCMarkers: '1' };

/** Starts a process; throws if that fails right away. */
export function link(command: ProbeCommand, events: LinkEvents): ProbeLink {
  return bun === undefined ? linkInNode(command, events) : linkInBun(bun, command, events);
}

/** Avoids the streams of `node:child_process`, which account for a third of the monitor's cost of a check. */
function linkInBun(runtime: BunRuntime, command: ProbeCommand, events: LinkEvents): ProbeLink {
  const child = runtime.spawn([command.file, ...command.args], {
    env,
    cwd: '/',
    stdio: ['ignore', 'ignore', 'ignore', 'pipe'],
    onExit: ({ exitCode, signalCode }) => events.exited(endingOf(exitCode, signalCode)),
  });
  let unsent: Buffer = Buffer.alloc(0);
  let ended = false;
  let socket: BunSocket | undefined;
  const flush = (): void => {
    if (socket === undefined || unsent.length === 0) return;
    unsent = unsent.subarray(Math.max(0, socket.write(unsent)));
  };
  const connected = runtime.connect({
    fd: child.stdio[probeChannel],
    socket: {
      open: (opened) => {
        socket = opened;
        if (ended) opened.terminate();
        else flush();
      },
      data: (_, bytes) => events.data(bytes),
      drain: flush,
      close: events.closed,
      error: () => undefined,
    },
  });
  connected.catch(events.closed);
  return {
    pid: child.pid,
    send: (bytes) => {
      unsent = unsent.length === 0 ? bytes : Buffer.concat([unsent, bytes]);
      flush();
    },
    end: () => {
      ended = true;
      child.kill('SIGKILL');
      child.unref();
      socket?.terminate();
    },
  };
}

function linkInNode(command: ProbeCommand, events: LinkEvents): ProbeLink {
  const child: ChildProcess = spawn(command.file, [...command.args], {
    env,
    cwd: '/',
    stdio: ['ignore', 'ignore', 'ignore', 'pipe'],
  });
  child.once('error', (error) => {
    if (child.pid === undefined) events.failed(error);
  });
  child.once('exit', (code, signal) => events.exited(endingOf(code, signal)));
  const channel = child.stdio[probeChannel] as Socket | null;
  channel?.on('data', events.data);
  channel?.on('error', () => undefined);
  channel?.once('close', events.closed);
  return {
    pid: child.pid,
    send: (bytes) => void channel?.write(bytes),
    end: () => {
      child.kill('SIGKILL');
      child.unref();
      channel?.destroy();
    },
  };
}

function endingOf(code: number | null, signal: string | null): string {
  return signal === null ? `exited with ${code}` : `was killed by ${signal}`;
}
