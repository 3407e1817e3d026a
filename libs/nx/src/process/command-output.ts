import { execFile } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';

/** A command's output, or the first line of its error: including the next line if the first ends with a colon. */
export interface CommandOutput {
  readonly ok: boolean;
  /** Whether the command doesn't exist. */
  readonly missing: boolean;
  readonly text: string;
}

// `git tag` in a repository with a hundred thousand tags prints a few megabytes.
const MAX_OUTPUT_BYTES = 64 * 1024 * 1024;

// A newly written file can't be executed while another child process, forked in the meantime, has it open, which lasts
// until that child has called exec. https://github.com/golang/go/issues/22315
const BUSY_ATTEMPTS = 100;
const BUSY_PAUSE_MS = 20;

/**
 * The output of a short-running command, which is killed after `timeoutMs`, or never if that is 0. Uses Node's own API,
 * since loading execa takes about as long as the command.
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
  /** The complete environment. Defaults to this process's, which is never right for a compiler: `environmentOf`. */
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
      const told = error.killed === true ? `did not exit within ${timeoutMs / 1000} s` : stderr.trim();
      const [first, next = ''] = told.split('\n').map((line) => line.trim());
      const text = (first?.endsWith(':') ? `${first} ${next}`.trim() : first) || error.message.trim();
      resolve({ ok: false, missing: error.code === 'ENOENT', text });
    });
    child.stdin?.end();
  });
}
