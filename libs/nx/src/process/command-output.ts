import { execFile } from 'node:child_process';

/** What a command printed, or the first line of why it failed. */
export interface CommandOutput {
  readonly ok: boolean;
  /** Whether there is no such command. */
  readonly missing: boolean;
  readonly text: string;
}

// A `git tag` of a repository with a hundred thousand tags has a few megabytes.
const MAX_OUTPUT_BYTES = 64 * 1024 * 1024;

/**
 * The output of a command that ends at once; it is killed after `timeoutMs`, never where that is 0. By Node's own means:
 * loading execa takes about as long as the command.
 */
export function commandOutput(
  file: string,
  args: readonly string[],
  {
    cwd,
    env,
    timeoutMs = 0,
  }: {
    readonly cwd?: string;
    /** The whole environment; this process's own where it is left out. */
    readonly env?: Readonly<Record<string, string>>;
    readonly timeoutMs?: number;
  } = {},
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
      const told = error.killed === true ? `no answer in ${timeoutMs / 1000} s` : stderr.trim();
      const text = told.split('\n')[0] || error.message.trim();
      resolve({ ok: false, missing: error.code === 'ENOENT', text });
    });
    child.stdin?.end();
  });
}
