import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { execa } from 'execa';
import { THIS_WORKSPACE } from './workspace.ts';

/** The sidecar's fault filesystem, a program in the project `app`. Run as a program, not imported. */
const PROGRAM = join(THIS_WORKSPACE, 'apps/mount-monitor/testing/fault-filesystem.ts');
const DEADLINE_MS = 20_000;

/** A FUSE mount with a canary that can accept requests without answering them. Needs root and /dev/fuse. */
export class HangingMount implements AsyncDisposable {
  readonly path: string;
  readonly #child: ChildProcess;
  #output = '';

  private constructor(path: string) {
    this.path = path;
    this.#child = spawn(process.execPath, [PROGRAM, path], { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.#output += text;
    });
  }

  static async mount(path: string): Promise<HangingMount> {
    await mkdir(path);
    const mount = new HangingMount(path);
    await mount.#says('mounted');
    return mount;
  }

  /** From now on, accepts every request and answers none. */
  hang(): Promise<void> {
    return this.#set('hold');
  }

  /** Answers all pending and future requests. */
  letGo(): Promise<void> {
    return this.#set('none');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const exited = once(this.#child, 'exit');
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      this.#child.kill('SIGKILL');
      await exited;
    }
    await execa('umount', ['--lazy', this.path], { reject: false });
  }

  async #set(fault: 'hold' | 'none'): Promise<void> {
    this.#output = '';
    this.#child.stdin?.write(`${fault}\n`);
    await this.#says(fault);
  }

  async #says(word: string): Promise<void> {
    const deadline = performance.now() + DEADLINE_MS;
    while (!this.#output.includes(`${word}\n`)) {
      if (this.#child.exitCode !== null || performance.now() > deadline)
        throw new Error(`${this.path}: expected "${word}", found none`);
      await wait(20);
    }
  }
}
