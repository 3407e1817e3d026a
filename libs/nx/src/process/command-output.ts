import { execFile } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';

/** What a command printed, or the first line of why it failed: with the next one where it ends with a colon. */
export interface CommandOutput {
  readonly ok: boolean;
  /** Whether there is no such command. */
  readonly missing: boolean;
  readonly text: string;
}

// A `git tag` of a repository with a hundred thousand tags has a few megabytes.
const MAX_OUTPUT_BYTES = 64 * 1024 * 1024;

// A file that was written just now can't be run while a child that was forked meanwhile holds it open, which lasts
// until that child has become its program. https://github.com/golang/go/issues/22315
const BUSY_ATTEMPTS = 100;
const BUSY_PAUSE_MS = 20;

/**
 * The output of a command that ends at once; it is killed after `timeoutMs`, never where that is 0. By Node's own means:
 * loading execa takes about as long as the command.
 */
export async function commandOutput(
  file: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<CommandOutput> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await runOnce(file, args, options);
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'ETXTBSY')) throw error;
      if (attempt === BUSY_ATTEMPTS) throw error;
    }
    await sleep(BUSY_PAUSE_MS);
  }
}

interface CommandOptions {
  readonly cwd?: string;
  /** The whole environment; this process's own where it is left out. */
  readonly env?: Readonly<Record<string, string>>;
  readonly timeoutMs?: number;
}

function runOnce(
  file: string,
  args: readonly string[],
  { cwd, env, timeoutMs = 0 }: CommandOptions,
): Promise<CommandOutput> {
  return new Promise((resolve) => {
    const options = {
      cwd,
      env,
      timeout: timeoutMs,
      killSignal: 'SIGKILL',
      maxBuffer: MAX_OUTPUT_BYTES,
    } as const;
    const child = execFile(file, args, options, (error, stdout, stderr) => {
      if (error === null) {
        resolve({ ok: true, missing: false, text: stdout });
        return;
      }
      const told = error.killed === true ? `no answer within ${timeoutMs / 1000} s` : stderr.trim();
      const [first, next = ''] = told.split('\n').map((line) => line.trim());
      const text = (first?.endsWith(':') ? `${first} ${next}`.trim() : first) || error.message.trim();
      resolve({ ok: false, missing: error.code === 'ENOENT', text });
    });
    child.stdin?.end();
  });
}
