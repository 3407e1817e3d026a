import type { Logger } from './log.ts';

/** A process, as https://bun.com/docs/runtime/child-process has it. */
interface BunProcess {
  readonly pid: number;
  /** The descriptors of this side of its pipes, from 3 on. */
  readonly stdio: readonly number[];
  readonly exitCode: number | null;
  readonly signalCode: string | null;
  kill(signal: string): void;
  unref(): void;
}

/** A connection, as https://bun.com/docs/runtime/networking/tcp has it. */
export interface BunSocket {
  /** How many of the bytes were taken; less than none where it is closed. */
  write(bytes: Uint8Array): number;
  terminate(): void;
}

/** As much of Bun's own functions as is used here. */
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

/** Only where Bun runs this; Node offers none of it. */
export const bun = (globalThis as { readonly Bun?: BunRuntime }).Bun;

/** Collects what is not in use any more; takes about 4 ms. */
export function collectGarbage(): void {
  bun?.gc(true);
}

/** Compiles functions to machine code so many times later than usual. */
export function compileLater(scale: number): void {
  bun?.unsafe.setJITPolicy(scale);
}

/** Compiles functions as soon as usual from now on, also those that have been called already. */
export function compileAsUsual(): void {
  compileLater(1);
}

/** Has what the runtime itself warns of written as lines of the log; left alone, it writes text to stderr. */
export function logWarnings(log: Logger): void {
  process.removeAllListeners('warning');
  process.on('warning', ({ name, message }) =>
    log.warn('warning of the runtime', { name, problem: message }),
  );
}
