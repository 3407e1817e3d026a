import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort } from '@prebuilt/testing/free-port';
import type { Fault } from './fault-filesystem.ts';
import type { Scratch } from './monitor-process.ts';

/** Whether this user can mount custom FUSE filesystems. */
export const canMountFuse = process.getuid?.() === 0 && existsSync('/dev/fuse');

/** Whether rclone and FUSE are available. */
export const hasRclone =
  canMountFuse &&
  spawnSync('rclone', ['version']).status === 0 &&
  spawnSync('fusermount3', ['-V']).status === 0;

async function until(what: string, holds: () => boolean, process?: ChildProcess): Promise<void> {
  const deadline = performance.now() + 20_000;
  while (!holds()) {
    if (performance.now() > deadline || (process !== undefined && process.exitCode !== null)) {
      throw new Error(`timed out waiting until ${what}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Whether the mount table contains this path. */
export function isMounted(path: string): boolean {
  return readFileSync('/proc/self/mountinfo', 'utf8').includes(` ${path} `);
}

/** Detaches a mount, even if something hangs in it. */
export function detach(path: string): void {
  spawnSync('umount', ['-l', path]);
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGCONT');
  child.kill('SIGKILL');
  await exited;
}

/** A mounted fault filesystem; see {@link Fault}. */
export class FaultMount implements AsyncDisposable {
  readonly path: string;
  readonly #child: ChildProcess;
  #output = '';

  private constructor(path: string) {
    this.path = path;
    const script = fileURLToPath(new URL('./fault-filesystem.ts', import.meta.url));
    this.#child = spawn(process.execPath, [script, path], { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.#output += text;
    });
  }

  static async mount(scratch: Scratch, name: string): Promise<FaultMount> {
    const path = join(scratch.path, name);
    mkdirSync(path, { recursive: true });
    const mount = new FaultMount(path);
    await until('the fault filesystem is mounted', () => mount.#output.includes('mounted\n'), mount.#child);
    return mount;
  }

  /** Sets the fault; held requests are answered according to the new one. */
  async fault(fault: Fault): Promise<void> {
    this.#output = '';
    this.#child.stdin?.write(`${fault}\n`);
    await until(`the fault is ${fault}`, () => this.#output.includes(`${fault}\n`), this.#child);
  }

  /** Waits until a request is held, after the fault `hold`. */
  async untilHeld(): Promise<void> {
    await until('a request is held', () => this.#output.includes('held\n'), this.#child);
  }

  /** Stops the server, so that it accepts no requests, or lets it continue. */
  signal(signal: 'SIGSTOP' | 'SIGCONT'): void {
    this.#child.kill(signal);
  }

  /** Kills the server, like a crashing mount daemon. */
  async crash(): Promise<void> {
    await end(this.#child);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await end(this.#child);
    detach(this.path);
  }
}

/** A folder served over WebDAV by one rclone process and mounted by another. */
export class RcloneMount implements AsyncDisposable {
  readonly path: string;
  readonly #source: string;
  readonly #port: number;
  readonly #options: readonly string[];
  #server: ChildProcess;
  #daemon: ChildProcess;

  private constructor(source: string, path: string, port: number, options: readonly string[]) {
    this.path = path;
    this.#source = source;
    this.#port = port;
    this.#options = options;
    this.#server = this.#serve();
    this.#daemon = this.#mount();
  }

  /** Serves a folder with a canary and mounts it; `options` are additional options for `rclone mount`. */
  static async mount(scratch: Scratch, name: string, options: readonly string[] = []): Promise<RcloneMount> {
    const source = scratch.mount(`${name}-source`);
    const path = join(scratch.path, name);
    mkdirSync(path);
    const mount = new RcloneMount(source, path, await freePort(), options);
    await mount.#ready();
    return mount;
  }

  signalDaemon(signal: NodeJS.Signals): void {
    this.#daemon.kill(signal);
  }

  signalServer(signal: NodeJS.Signals): void {
    this.#server.kill(signal);
  }

  /** Ends the server, as if the remote went away. */
  async stopServer(): Promise<void> {
    await end(this.#server);
  }

  async restartServer(): Promise<void> {
    await end(this.#server);
    this.#server = this.#serve();
  }

  async crashDaemon(): Promise<void> {
    await end(this.#daemon);
  }

  /** Mounts again at the same path. */
  async remount(): Promise<void> {
    await end(this.#daemon);
    detach(this.path);
    this.#daemon = this.#mount();
    await this.#ready();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await end(this.#daemon);
    await end(this.#server);
    detach(this.path);
  }

  async #ready(): Promise<void> {
    await until(`${this.path} is mounted`, () => isMounted(this.path), this.#daemon);
  }

  #serve(): ChildProcess {
    const args = ['serve', 'webdav', this.#source, '--addr', `127.0.0.1:${this.#port}`];
    return spawn('rclone', [...args, ...quiet], { stdio: 'ignore' });
  }

  #mount(): ChildProcess {
    const remote = ['--webdav-url', `http://127.0.0.1:${this.#port}`, '--webdav-vendor', 'other'];
    const freshness = ['--dir-cache-time', '1s', '--attr-timeout', '1s'];
    const args = ['mount', ':webdav:', this.path, ...remote, ...freshness, ...this.#options];
    return spawn('rclone', [...args, ...quiet], { stdio: 'ignore' });
  }
}

/** Ignores the user's configuration file. */
const quiet = ['--config', '/dev/null', '--log-level', 'ERROR'];
