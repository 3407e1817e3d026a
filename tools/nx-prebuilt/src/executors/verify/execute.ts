import type { Finding } from '@prebuilt/artifacts';
import { execa } from 'execa';
import { failure } from './inspect.ts';
import type { PlatformVerification } from './plan.ts';

const MOST_OUTPUT_BYTES = 1024 * 1024;

/**
 * Runs an executable with `--version` and with `--help`: each has to end with 0 within the deadline, and the
 * first has to print the manifest's version. Nothing of the caller's environment reaches the program.
 */
export async function executeSmoke(
  { artifact, execution }: PlatformVerification,
  expected: {
    readonly version: string;
    readonly timeoutMs: number;
    readonly cwd: string;
    readonly signal: AbortSignal;
  },
): Promise<readonly Finding[]> {
  const { command } = execution;
  if (command === undefined) return [];
  const run = async (flag: string): Promise<readonly Finding[]> => {
    const label = `${artifact.path} ${flag}`;
    const child = execa(command.file, [...command.args, flag], {
      cwd: expected.cwd,
      env: { PATH: '/usr/bin:/bin' },
      extendEnv: false,
      stdin: 'ignore',
      detached: true,
      reject: false,
      maxBuffer: MOST_OUTPUT_BYTES,
    });
    let running = true;
    let timedOut = false;
    const kill = (): void => {
      // The whole group: the program may have started others.
      if (running && child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
    };
    const deadline = setTimeout(() => {
      timedOut = true;
      kill();
    }, expected.timeoutMs);
    expected.signal.addEventListener('abort', kill);
    const result = await child;
    running = false;
    clearTimeout(deadline);
    expected.signal.removeEventListener('abort', kill);
    if (timedOut) {
      return [
        failure('TIMEOUT', `${label}: expected it to end within ${expected.timeoutMs / 1000} s, it did not`),
      ];
    }
    if (result.failed) {
      const said = firstLine(result.stderr) ?? firstLine(result.stdout);
      const how = result.signal === undefined ? `exit code ${result.exitCode}` : `signal ${result.signal}`;
      const cause = result.exitCode === undefined && result.signal === undefined ? result.shortMessage : how;
      return [
        failure(
          'EXECUTION_FAILED',
          `${label}: expected exit code 0, found ${cause}${said === undefined ? '' : `: ${said}`}`,
        ),
      ];
    }
    if (flag === '--version' && !result.stdout.split(/\s+/).includes(expected.version)) {
      return [
        failure(
          'WRONG_VERSION',
          `${label}: expected it to print ${expected.version}, found ${JSON.stringify(result.stdout.slice(0, 200))}`,
        ),
      ];
    }
    return [];
  };
  return (await Promise.all([run('--version'), run('--help')])).flat();
}

function firstLine(text: string): string | undefined {
  const line = text.trim().split('\n')[0]?.slice(0, 300);
  return line === '' ? undefined : line;
}
