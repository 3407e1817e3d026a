import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { ask } from './monitor-process.ts';

/** One cycle of the control: when it was due, and how many ms later it ended. */
interface Cycle {
  readonly dueAt: number;
  readonly tookMs: number;
}

/**
 * Measures how late the machine itself is, using a process that behaves like the monitor: it wakes up on time, starts
 * the same executable as often without checking a mount, waits for it to exit, and answers requests. Any delay of that
 * process is not the monitor's fault.
 */
export class Machine implements AsyncDisposable {
  readonly #child: ChildProcess;
  #port = 0;
  #rest = '';
  readonly #cycles: Cycle[] = [];

  private constructor(executable: string) {
    const program = fileURLToPath(new URL('./control.ts', import.meta.url));
    this.#child = spawn(process.execPath, [program, executable], { stdio: ['ignore', 'pipe', 'inherit'] });
  }

  /** Starts the control; it watches until it is disposed of. */
  static async watch(executable: string): Promise<Machine> {
    const machine = new Machine(executable);
    await new Promise<void>((resolve, reject) => {
      machine.#child.once('error', reject);
      machine.#child.once('exit', (code) => reject(new Error(`the control exited with ${code}`)));
      machine.#child.stdout?.setEncoding('utf8').on('data', (text: string) => {
        machine.#read(text);
        if (machine.#cycles.length > 0) resolve();
      });
    });
    return machine;
  }

  /**
   * By how many ms the latest cycle since a time (of `Date.now`) ended later than the best one. Waits for a cycle that
   * begins now, so that one that is late right now is included.
   */
  async latenessSince(moment: number): Promise<number> {
    const now = Date.now();
    while ((this.#cycles.at(-1)?.dueAt ?? 0) < now) {
      if (this.#child.exitCode !== null) throw new Error(`the control exited with ${this.#child.exitCode}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    const since = this.#cycles.filter(({ dueAt, tookMs }) => dueAt + tookMs >= moment);
    const best = Math.min(...this.#cycles.map(({ tookMs }) => tookMs));
    return Math.max(...since.map(({ tookMs }) => tookMs)) - best;
  }

  /** By how many ms all cycles between two times ended later than the best one, in total. */
  latenessBetween(from: number, to: number): number {
    const best = Math.min(...this.#cycles.map(({ tookMs }) => tookMs));
    return this.#cycles
      .filter(({ dueAt, tookMs }) => dueAt < to && dueAt + tookMs > from)
      .reduce((sum, { tookMs }) => sum + tookMs - best, 0);
  }

  /** How long a bare server takes to answer now, in ms. */
  async answer(): Promise<number> {
    return (await ask('127.0.0.1', this.#port, 'GET', '/')).milliseconds;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exited = new Promise((resolve) => this.#child.once('exit', resolve));
    this.#child.kill('SIGKILL');
    await exited;
  }

  #read(text: string): void {
    const lines = (this.#rest + text).split('\n');
    this.#rest = lines.pop() ?? '';
    for (const line of lines) {
      const message = JSON.parse(line) as Cycle | { readonly port: number };
      if ('port' in message) this.#port = message.port;
      else this.#cycles.push(message);
    }
  }
}
