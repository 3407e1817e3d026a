import { Readable } from 'node:stream';
import { cleanText, digestHex, type LayerEntry, readBlob, tarBlocks } from '@prebuilt/oci';
import { execa } from 'execa';
import { PrebuiltError } from '../../errors.ts';
import type { DockerLoadPlan } from './plan.ts';

/** What to do if an engine's program is missing or fails, for each engine. */
const HINTS: Readonly<Record<DockerLoadPlan['engine'], string>> = {
  docker: 'Start Docker, point DOCKER_HOST at an engine, or load the image elsewhere: --engine=podman.',
  podman: 'Install podman, or load the image elsewhere: --engine=docker.',
  containerd:
    'ctr comes with containerd and needs its socket, usually as root; CONTAINERD_ADDRESS sets its path.',
};

/**
 * Streams the archive to the engine's program, checking each blob against its digest on the way. Throws `ENGINE` if the
 * program is missing or fails, and whatever reading throws.
 */
export async function runDockerLoad({
  engine,
  command: { file, args },
  documents,
  inputPath,
  blobs,
}: DockerLoadPlan): Promise<void> {
  const entries: readonly LayerEntry[] = [
    ...Object.entries(documents).map(([path, text]) =>
      entryOf(path, Buffer.byteLength(text), async function* () {
        yield Buffer.from(text);
      }),
    ),
    ...blobs.map((blob) =>
      entryOf(`blobs/sha256/${digestHex(blob.digest)}`, blob.size, () => readBlob(inputPath, blob)),
    ),
  ];
  let broken: unknown;
  const archive = Readable.from(
    (async function* () {
      try {
        yield* tarBlocks(entries);
      } catch (error) {
        broken = error;
        throw error;
      }
    })(),
  );
  const result = await execa(file, [...args], { input: archive, reject: false, stdout: 'ignore' });
  if (broken !== undefined) throw broken;
  if (!result.failed) return;
  const problem =
    result.code === 'ENOENT'
      ? `${file}: expected the program on PATH, found none`
      : `${file} ${args.join(' ')}: ${cleanText(result.stderr.trim().split('\n').at(-1) || result.shortMessage || '')}`;
  throw new PrebuiltError('ENGINE', problem, { hint: HINTS[engine], cause: result });
}

function entryOf(path: string, size: number, content: () => AsyncIterable<Uint8Array>): LayerEntry {
  return { type: 'file', path, mode: 0o644, uid: 0, gid: 0, mtime: 0, size, content };
}
