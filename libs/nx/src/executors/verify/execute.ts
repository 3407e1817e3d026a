import { stripVTControlCharacters } from 'node:util';
import { execa } from 'execa';
import type { Finding } from '../../artifacts/verify-report.ts';
import { failure } from './inspect-files.ts';
import type { ExecutableVerification, ExecutionCommand, VerifyPlan } from './plan.ts';

const MAX_OUTPUT_BYTES = 1024 * 1024;

// Not every program answers --version and --help.
const OTHER_ARGUMENTS =
  '; if it takes other arguments, name them in prebuilt.json: {"verify": {"smoke": [["version"]]}}, or set "smoke" to false to verify only its structure';

/**
 * Runs an executable once for each of the plan's argument lists. Every run must exit with 0 within the deadline, and
 * the first must print the manifest's version if the plan requires it. The program sees nothing of the caller's
 * environment, and nothing that it starts outlives the run.
 */
export async function executeSmoke(
  plan: VerifyPlan,
  { artifact, command }: ExecutableVerification,
  cwd: string,
  signal: AbortSignal,
): Promise<readonly Finding[]> {
  if (command === undefined) return [];
  const runs = plan.smoke.map(async (args, index): Promise<readonly Finding[]> => {
    const label = [artifact.path, ...args].join(' ');
    const outcome = await run(command, args, {
      cwd,
      timeoutMs: plan.timeoutMs,
      signal,
    });
    if (outcome.kind === 'timeout') {
      const expected = `did not exit within ${plan.timeoutMs / 1000} s`;
      return [failure('TIMEOUT', `${label}: ${expected}${OTHER_ARGUMENTS}`)];
    }
    if (outcome.kind === 'failed') {
      const advice = outcome.exitCode === undefined ? '' : OTHER_ARGUMENTS;
      return [failure('EXECUTION_FAILED', `${label}: expected exit code 0, found ${outcome.cause}${advice}`)];
    }
    if (plan.printsVersion && index === 0 && !outcome.stdout.split(/\s+/).includes(plan.version)) {
      const found = JSON.stringify(outcome.stdout.slice(0, 200));
      return [
        failure(
          'WRONG_VERSION',
          `${label}: expected it to print ${plan.version}, found ${found}; if it can't, say so in prebuilt.json: {"verify": {"printsVersion": false}}`,
        ),
      ];
    }
    return [];
  });
  return (await Promise.all(runs)).flat();
}

type Outcome =
  | { readonly kind: 'ended'; readonly stdout: string }
  | { readonly kind: 'timeout' }
  | { readonly kind: 'failed'; readonly cause: string; readonly exitCode: number | undefined };

async function run(
  command: ExecutionCommand,
  args: readonly string[],
  limits: { readonly cwd: string; readonly timeoutMs: number; readonly signal: AbortSignal },
): Promise<Outcome> {
  const child = execa(command.file, [...command.args, ...args], {
    cwd: limits.cwd,
    env: command.env ?? { PATH: '/usr/bin:/bin' },
    extendEnv: false,
    stdin: 'ignore',
    detached: true,
    reject: false,
    maxBuffer: MAX_OUTPUT_BYTES,
  });
  let timedOut = false;
  const end = (): void => {
    killGroup(child.pid);
    // A process that left the group may keep the pipes open forever.
    child.stdout.destroy();
    child.stderr.destroy();
  };
  const deadline = setTimeout(() => {
    timedOut = true;
    end();
  }, limits.timeoutMs);
  limits.signal.addEventListener('abort', end);
  if (limits.signal.aborted) end();
  const result = await child;
  clearTimeout(deadline);
  limits.signal.removeEventListener('abort', end);
  killGroup(child.pid);
  if (timedOut) return { kind: 'timeout' };
  if (!result.failed) return { kind: 'ended', stdout: result.stdout ?? '' };
  const how =
    result.signal !== undefined
      ? `signal ${result.signal}`
      : result.exitCode !== undefined
        ? `exit code ${result.exitCode}`
        : (result.shortMessage ?? 'ended for an unknown reason');
  const said = firstLine(result.stderr) ?? firstLine(result.stdout);
  const cause = said === undefined ? how : `${how}: ${said}`;
  return { kind: 'failed', cause, exitCode: result.exitCode };
}

// Kill the whole group, since the program may have started others. It may also be gone already.
function killGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

// Only plain text from the program may reach the terminal.
function firstLine(text: string): string | undefined {
  const line = stripVTControlCharacters(text)
    .split('\n')
    .map((each) => each.replaceAll(/\p{Cc}/gu, ' ').trim())
    .find((each) => each !== '');
  return line?.slice(0, 300);
}
