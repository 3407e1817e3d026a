import { execa } from 'execa';
import { PrebuiltError } from '../../errors.ts';
import type { Command } from '../../process/command.ts';

const START_AN_ENGINE = 'Start Docker, or point DOCKER_HOST at an engine.';
/** How long an engine may take to report its version, in milliseconds. */
const ANSWER_TIMEOUT_MS = 20_000;

/**
 * Builds the image, passing docker's output through. Throws ENGINE, before any work is done, if there is no docker
 * client, no buildx, or no engine that answers, and COMPILE_FAILED if the build fails.
 */
export async function runDockerBuild({ file, args }: Command, workspaceRoot: string): Promise<void> {
  await requireAnswer(
    file,
    ['buildx', 'version'],
    'the buildx plugin',
    'Install it: https://docs.docker.com/go/buildx/',
  );
  await requireAnswer(file, ['version', '--format', '{{.Server.Version}}'], 'an engine', START_AN_ENGINE);
  const result = await execa(file, [...args], { cwd: workspaceRoot, stdio: 'inherit', reject: false });
  if (result.failed) {
    throw new PrebuiltError('COMPILE_FAILED', `${result.command}: ${result.shortMessage}`, { cause: result });
  }
}

async function requireAnswer(
  file: string,
  args: readonly string[],
  what: string,
  hint: string,
): Promise<void> {
  const result = await execa(file, [...args], { reject: false, stdin: 'ignore', timeout: ANSWER_TIMEOUT_MS });
  if (!result.failed) return;
  if (result.code === 'ENOENT') {
    throw new PrebuiltError('ENGINE', `${file}: expected the Docker client on PATH, found none`, {
      hint: START_AN_ENGINE,
      cause: result,
    });
  }
  const found = result.stderr.trim() || result.shortMessage;
  throw new PrebuiltError('ENGINE', `${result.command}: expected ${what}, found: ${found}`, {
    hint,
    cause: result,
  });
}
