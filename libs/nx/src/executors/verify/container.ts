import { randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { Readable } from 'node:stream';
import { cleanText, type LayerEntry, tarBlocks } from '@prebuilt/oci';
import { execa } from 'execa';
import type { Finding } from '../../artifacts/verify-report.ts';
import { PrebuiltError } from '../../errors.ts';
import { environmentOf, MACHINE_VARIABLES } from '../../process/compiler.ts';
import { executeSmoke } from './execute.ts';
import type { PlatformVerification, VerifyPlan } from './plan.ts';

/** The folder for the executables in the image. It contains no libraries. */
const FOLDER = '.verify';
/** The label on a verification's containers. */
const LABEL = 'prebuilt.verify';
const OWNER = 65532;

/** How the docker client finds its engine. https://docs.docker.com/reference/cli/docker/#environment-variables */
const ENGINE_VARIABLES = [
  'DOCKER_CERT_PATH',
  'DOCKER_CONFIG',
  'DOCKER_CONTEXT',
  'DOCKER_HOST',
  'DOCKER_TLS',
  'DOCKER_TLS_VERIFY',
  'SSH_AUTH_SOCK',
];

/**
 * Runs a platform's executables in containers that contain exactly its runtime files and executables, without a
 * network, as an unprivileged user. Removes the image and the containers from the engine afterwards. Throws `ENGINE` if
 * the engine can't create the image.
 */
export async function executeContained(
  plan: VerifyPlan,
  { artifact, runtimeFolder, executables }: PlatformVerification,
  cwd: string,
  signal: AbortSignal,
): Promise<readonly Finding[]> {
  const env = environmentOf([...MACHINE_VARIABLES, ...ENGINE_VARIABLES]);
  const platform = `--platform=${artifact.platform}`;
  const mark = `${LABEL}=${randomUUID()}`;
  const entries = await Promise.all([
    ...artifact.runtime.files.map(({ path }) => entryOf(path, join(runtimeFolder, path))),
    ...executables.map(({ executable }) => entryOf(`${FOLDER}/${basename(executable)}`, executable)),
  ]);
  const docker = (args: readonly string[], input?: Readable) =>
    execa('docker', [...args], {
      env,
      extendEnv: false,
      reject: false,
      ...(input === undefined ? { stdin: 'ignore' as const } : { input }),
    });
  const imported = await docker(['import', platform, '-'], Readable.from(tarBlocks(entries)));
  const image = /^sha256:[0-9a-f]{64}$/m.exec(imported.stdout)?.[0];
  if (imported.failed || image === undefined) {
    const said = cleanText(imported.stderr.trim().split('\n').at(-1) || imported.shortMessage || 'no image');
    throw new PrebuiltError('ENGINE', `docker import ${platform}: ${said}`, {
      hint: 'The engine runs the executables that this machine can’t. Stop the engine to verify only their structure.',
    });
  }
  const isolated = ['--network=none', '--read-only', '--tmpfs=/tmp', '--cap-drop=ALL', `--user=${OWNER}`];
  try {
    const found = executables.map((each) => {
      const file = `/${FOLDER}/${basename(each.executable)}`;
      const args = ['run', '--rm', platform, `--label=${mark}`, ...isolated, image, file];
      return executeSmoke(plan, { ...each, command: { file: 'docker', args, env } }, cwd, signal);
    });
    return (await Promise.all(found)).flat();
  } finally {
    // A run that was stopped continues in its container, since only the client was killed.
    const { stdout } = await docker(['ps', '--all', '--quiet', `--filter=label=${mark}`]);
    const left = stdout.split('\n').filter(Boolean);
    if (left.length > 0) await docker(['rm', '--force', ...left]);
    await docker(['image', 'rm', '--force', image]);
  }
}

async function entryOf(path: string, source: string): Promise<LayerEntry> {
  const { size } = await stat(source);
  const content = () => createReadStream(source);
  return { type: 'file', path, mode: 0o755, uid: 0, gid: 0, mtime: 0, size, content };
}
