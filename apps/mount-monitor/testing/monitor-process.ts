import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { freePort } from '@prebuilt/testing/free-port';

/** The result of a run of the executable that exited on its own. */
export interface RunResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** A program that runs the executable with its arguments. */
  readonly wrapper?: readonly string[];
}

/** Runs the executable until it exits, for at most 30 s. */
export function runMonitor(executable: string, args: readonly string[], options: RunOptions = {}): RunResult {
  const [file = '', ...rest] = [...(options.wrapper ?? []), executable, ...args];
  const result = spawnSync(file, rest, {
    encoding: 'utf8',
    timeout: 30_000,
    cwd: options.cwd,
    env: { ...options.env },
  });
  return { code: result.status, stdout: result.stdout, stderr: result.stderr };
}

/** A folder that is removed when the test ends. */
export class Scratch implements Disposable {
  readonly path = mkdtempSync(join(tmpdir(), 'mount-monitor-e2e-'));

  /** Writes a file, creating parent folders, and returns its path. */
  write(name: string, content: string): string {
    const path = join(this.path, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, content);
    return path;
  }

  /** Creates a folder that looks like a healthy mount to a canary check. */
  mount(name: string): string {
    this.write(join(name, '.health-check'), 'ok\n');
    return join(this.path, name);
  }

  remove(name: string): void {
    rmSync(join(this.path, name), { recursive: true });
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

/** An HTTP answer. */
export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
  /** From the request's start to the answer's end. */
  readonly milliseconds: number;
}

/** Sends a request over a new connection; rejects if there is no answer within 10 s. */
export function ask(
  host: string,
  port: number,
  method: string,
  path: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<Answer> {
  const start = performance.now();
  return new Promise((resolve, reject) => {
    const request = httpRequest(
      { host, port, method, path, headers, agent: false, timeout: 10_000 },
      (response) => {
        let body = '';
        response.setEncoding('utf8').on('data', (text: string) => {
          body += text;
        });
        response.once('error', reject);
        response.once('end', () =>
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            body,
            milliseconds: performance.now() - start,
          }),
        );
      },
    );
    request.once('timeout', () => request.destroy(new Error('no answer within 10 s')));
    request.once('error', reject);
    request.end();
  });
}

/** One line of the monitor's log. */
export interface LogLine {
  readonly stream: 'stdout' | 'stderr';
  readonly level: string;
  readonly msg: string;
  readonly [field: string]: unknown;
}

/** A mount in /healthz/status. */
export interface MountStatusBody {
  readonly name?: string;
  readonly path: string;
  readonly status: string;
  readonly failure_count: number;
  readonly reason?: string;
  readonly last_error?: string;
  readonly last_check?: string;
  readonly last_duration_ms?: number;
  readonly probe_hung?: boolean;
  readonly history?: string;
}

/** The answer of /healthz/status. */
export interface StatusBody {
  readonly status: string;
  readonly mounts: readonly MountStatusBody[];
  readonly hung_probes: number;
  readonly [field: string]: unknown;
}

export interface StartOptions extends RunOptions {
  readonly args?: readonly string[];
  /** Where to send requests; defaults to 127.0.0.1. */
  readonly host?: string;
  /** Descriptors for stdout and stderr, instead of pipes whose content is recorded. */
  readonly output?: readonly [stdout: number, stderr: number];
}

/** The executable running as a monitor. */
export class MonitorProcess implements AsyncDisposable {
  readonly child: ChildProcess;
  readonly port: number;
  readonly #host: string;
  readonly #output = { stdout: '', stderr: '' };
  /** Resolves after it has exited and its output has been read. */
  readonly exited: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;

  private constructor(executable: string, port: number, options: StartOptions) {
    this.port = port;
    this.#host = options.host ?? '127.0.0.1';
    const [file = '', ...args] = [...(options.wrapper ?? []), executable, ...(options.args ?? [])];
    this.child = spawn(file, args, {
      cwd: options.cwd,
      env: { ...options.env },
      stdio: ['ignore', ...(options.output ?? (['pipe', 'pipe'] as const))],
    });
    for (const stream of ['stdout', 'stderr'] as const) {
      this.child[stream]?.setEncoding('utf8').on('data', (text: string) => {
        this.#output[stream] += text;
      });
    }
    this.exited = new Promise((resolve, reject) => {
      this.child.once('error', reject);
      // Not `exit`, because the last output may be read only after that.
      this.child.once('close', (code, signal) => resolve({ code, signal }));
    });
  }

  /** Starts it with a configuration file made of `config` and a free port, and waits until it answers. */
  static async start(
    executable: string,
    scratch: Scratch,
    config: Readonly<Record<string, unknown>>,
    options: StartOptions = {},
  ): Promise<MonitorProcess> {
    const port = typeof config.httpPort === 'number' ? config.httpPort : await freePort();
    const path = scratch.write('config.json', JSON.stringify({ httpPort: port, ...config }));
    const args = ['--config', path, ...(options.args ?? [])];
    const monitor = new MonitorProcess(executable, port, { ...options, args });
    await monitor.until('the monitor answers', async () => (await monitor.get('/version')).status === 200);
    return monitor;
  }

  get hasEnded(): boolean {
    return this.child.exitCode !== null || this.child.signalCode !== null;
  }

  get stdout(): string {
    return this.#output.stdout;
  }

  get stderr(): string {
    return this.#output.stderr;
  }

  /** The log so far, if it is JSON. */
  log(): readonly LogLine[] {
    return (['stdout', 'stderr'] as const).flatMap((stream) =>
      this.#output[stream]
        .split('\n')
        .slice(0, -1)
        .map((line) => ({ ...(JSON.parse(line) as Omit<LogLine, 'stream'>), stream }) as LogLine),
    );
  }

  get(path: string): Promise<Answer> {
    return this.request('GET', path);
  }

  request(method: string, path: string, headers: Readonly<Record<string, string>> = {}): Promise<Answer> {
    return ask(this.#host, this.port, method, path, headers);
  }

  async status(): Promise<StatusBody> {
    return JSON.parse((await this.get('/healthz/status')).body) as StatusBody;
  }

  /** The mount at this index in the configuration. */
  async mount(index = 0): Promise<MountStatusBody> {
    const mount = (await this.status()).mounts[index];
    if (mount === undefined) throw new Error(`no mount ${index}`);
    return mount;
  }

  /** Waits until a condition is true; fails after `timeoutMs` with the output so far. */
  async until(what: string, holds: () => boolean | Promise<boolean>, timeoutMs = 20_000): Promise<void> {
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      const result = await Promise.resolve()
        .then(holds)
        .catch(() => false);
      if (result) return;
      if (performance.now() > deadline || this.hasEnded) {
        const why = this.hasEnded
          ? `the monitor exited with ${this.child.exitCode ?? this.child.signalCode}`
          : 'timed out';
        throw new Error(
          `waiting until ${what}: ${why}\n${this.stdout.slice(-4000)}${this.stderr.slice(-4000)}`,
        );
      }
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
  }

  /** Waits until a mount has the status. */
  untilStatus(status: string, index = 0, timeoutMs?: number): Promise<void> {
    return this.until(
      `mount ${index} is ${status}`,
      async () => (await this.mount(index)).status === status,
      timeoutMs,
    );
  }

  /** Waits until the metrics, which may be a moment old, match. */
  untilMetrics(expected: RegExp): Promise<void> {
    return this.until(`the metrics match ${expected}`, async () =>
      expected.test((await this.get('/metrics')).body),
    );
  }

  signal(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.child.exitCode === null && this.child.signalCode === null) this.child.kill('SIGKILL');
    await this.exited;
  }
}
