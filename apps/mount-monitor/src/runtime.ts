import type { Logger } from './log.ts';

/** A process, as described in https://bun.com/docs/runtime/child-process. */
interface BunProcess {
  readonly pid: number;
  /** The parent's descriptors of the child's pipes, from 3 on. */
  readonly stdio: readonly number[];
  readonly exitCode: number | null;
  readonly signalCode: string | null;
  kill(signal: string): void;
  unref(): void;
}

/** A connection, as described in https://bun.com/docs/runtime/networking/tcp. */
export interface BunSocket {
  /** Returns how many bytes were written; negative if the connection is closed. */
  write(bytes: Uint8Array): number;
  terminate(): void;
}

/** The part of Bun's API that is used here. */
export interface BunRuntime {
  gc(synchronous: boolean): unknown;
  readonly unsafe: { setJITPolicy(scale: number): void };
  spawn(
    command: readonly string[],
    options: {
      readonly env: Readonly<Record<string, string>>;
      readonly cwd: string;
      readonly stdio: readonly ('ignore' | 'pipe')[];
      readonly onExit: (child: BunProcess) => void;
    },
  ): BunProcess;
  connect(options: {
    readonly fd: number | undefined;
    readonly socket: {
      readonly open: (socket: BunSocket) => void;
      readonly data: (socket: BunSocket, bytes: Buffer) => void;
      readonly drain: () => void;
      readonly close: () => void;
      readonly error: () => void;
    };
  }): Promise<unknown>;
}

/** Undefined unless Bun runs this; Node has none of it. */
export const bun = (globalThis as { readonly Bun?: BunRuntime }).Bun;

/** Runs the garbage collector; takes about 4 ms. */
export function collectGarbage(): void {
  bun?.gc(true);
}

/** Multiplies the thresholds after which functions are compiled to machine code, also of those already called. */
export function compileLater(scale: number): void {
  bun?.unsafe.setJITPolicy(scale);
}

/** Logs the runtime's own warnings; by default it writes them to stderr as plain text. */
export function logWarnings(log: Logger): void {
  process.removeAllListeners('warning');
  process.on('warning', ({ name, message }) => log.warn('runtime warning', { name, problem: message }));
}
