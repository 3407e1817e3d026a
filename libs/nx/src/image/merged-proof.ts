import {
  type ContainerConfig,
  cleanText,
  type Difference,
  type ExpectedImage,
  platformName,
  type ReadEntry,
  type UnplannedLayers,
} from '@prebuilt/oci';
import { PrebuiltError } from '../errors.ts';
import type { BaseImage } from './base/base-image.ts';
import { candidatesOf } from './completeness.ts';
import { baseEntry, FileTree, type FoundNode, resolvedPath, UNKNOWN_OWNER } from './file-tree.ts';
import { PathConflict } from './tree-nodes.ts';

/** The outcome of the proof of an image for which something was executed. */
export interface ReducedProof {
  /** What was executed, or taken from where nothing is verified: `Dockerfile:3: RUN`, … in the order of lines. */
  readonly because: readonly string[];
  /** How many files and links above those of the base were not compared with anything. */
  readonly unprovenFiles: number;
  /** The file that the image starts, and whether it is one of those that were compared. */
  readonly starts: { readonly path: string; readonly proven: boolean };
}

/** The differences of the files of an image, and what the proof comes to where there are none. */
export interface MergedComparison {
  readonly differences: readonly Difference[];
  readonly proof: ReducedProof;
}

/**
 * Puts the layers that were read on top of the base, as unpackers do, and holds every file of the context against what is
 * at its path in the end: reached through folders alone, a regular file of the planned content, mode and owner, without
 * extended attributes. What is at other paths is counted. Throws `IMAGE_INCOMPLETE` where the image starts nothing that is
 * in it.
 */
export function compareMerged(
  { platform, config }: Pick<ExpectedImage, 'platform' | 'config'>,
  { because, files }: UnplannedLayers,
  layers: readonly (readonly ReadEntry[])[],
  base: BaseImage | undefined,
): MergedComparison {
  const below = base?.tree ?? new FileTree();
  const tree = below.clone();
  const differences: Difference[] = [];
  for (const [index, entries] of layers.entries()) {
    try {
      tree.applyLayer(Iterator.from(entries).map(baseEntry));
    } catch (error) {
      if (!(error instanceof PathConflict)) throw error;
      const where = `layer ${(base?.layers.length ?? 0) + index + 1}`;
      differences.push({ where, expected: 'a layer that can be unpacked', found: error.message });
    }
  }
  const proven = new Set<string>();
  for (const file of files) {
    proven.add(file.path);
    differences.push(...compareFile(file, tree));
  }
  const starts =
    differences.length > 0 ? { path: '', proven: false } : startOf(platform, config, tree, proven);
  let unprovenFiles = 0;
  for (const path of tree.leavesSince(below)) if (!proven.has(path)) unprovenFiles += 1;
  return { differences, proof: { because, unprovenFiles, starts } };
}

function compareFile({ path, ...expected }: ReadEntry, tree: FileTree): readonly Difference[] {
  const parts = path.split('/');
  for (const end of parts.keys()) {
    if (end === 0) continue;
    const folder = parts.slice(0, end).join('/');
    const found = tree.find(folder);
    if (found?.kind !== 'folder')
      return [{ where: `/${folder}`, expected: 'a folder', found: kindOf(found) }];
  }
  const found = tree.find(path);
  if (found?.kind !== 'file') return [{ where: `/${path}`, expected: 'a file', found: kindOf(found) }];
  const knowsOwner = expected.uid !== UNKNOWN_OWNER.uid;
  const factsOf = ({
    mode,
    uid,
    gid,
    sha256,
  }: Pick<ReadEntry, 'mode' | 'uid' | 'gid' | 'sha256'>): readonly string[] => [
    `mode ${mode.toString(8).padStart(4, '0')}`,
    `owner ${knowsOwner ? `${uid}:${gid}` : 'unknown'}`,
    `SHA-256 ${sha256 ?? 'none'}`,
  ];
  const wanted = [...factsOf(expected), 'no extended attributes'];
  const have = [...factsOf(found), found.attributes ? 'extended attributes' : 'no extended attributes'];
  return wanted.flatMap((fact, at) =>
    fact === have[at] ? [] : [{ where: `/${path}`, expected: fact, found: have[at] ?? '' }],
  );
}

function kindOf(node: FoundNode | undefined): string {
  if (node === undefined) return 'nothing';
  if (node.kind === 'symlink') return `a link to ${JSON.stringify(node.target)}`;
  return node.kind === 'folder' ? 'a folder' : 'a file';
}

function startOf(
  platform: ExpectedImage['platform'],
  { entrypoint = [], cmd = [], workingDir, env }: ContainerConfig,
  tree: FileTree,
  proven: ReadonlySet<string>,
): ReducedProof['starts'] {
  const [program = ''] = [...entrypoint, ...cmd];
  const candidates = candidatesOf(program, workingDir, env);
  const path = candidates
    .flatMap((candidate) => resolvedPath(candidate, tree) ?? [])
    .find((candidate) => tree.lookUp(candidate)?.kind === 'file');
  if (path !== undefined && ((tree.lookUp(path)?.mode ?? 0) & 0o111) !== 0)
    return { path: cleanText(path), proven: proven.has(path.slice(1)) };
  throw new PrebuiltError(
    'IMAGE_INCOMPLETE',
    `image of ${platformName(platform)}: starts ${JSON.stringify(program)}: expected a file that may be executed, found none`,
    { hint: `Looked for ${candidates.join(', ')}, with what was executed taken into account.` },
  );
}

/** What a reduced proof does and does not cover, in one line. */
export function describeReduced({ because, unprovenFiles, starts }: ReducedProof): string {
  return [
    `reduced proof, because of ${because.join(', ')}:`,
    'the verified files are in the image byte for byte, and its configuration is the planned one;',
    `${unprovenFiles} other files and links were not compared with anything,`,
    'nor was what they may change about the program, such as a library that it loads;',
    `it starts ${starts.path}, which is ${starts.proven ? 'a verified file' : 'not a verified file'}`,
  ].join(' ');
}

/** Refuses what is unplanned of images (`Dockerfile:3: RUN`, …), where a full proof is asked for. Throws `PROOF_REDUCED`. */
export function requireFullProof(unplanned: readonly string[]): void {
  const [first, ...more] = new Set(unplanned);
  if (first === undefined) return;
  const others = more.length === 0 ? '' : ` (and ${more.length} more)`;
  throw new PrebuiltError(
    'PROOF_REDUCED',
    `${first}${others}: expected a Dockerfile that only copies verified files and describes the image, as --require-full-proof asks`,
    { hint: ALTERNATIVES },
  );
}

/** What can be written in place of what has to be executed. */
export const ALTERNATIVES =
  'Certificates, time zones, users and /tmp are built-ins of "image.files" in prebuilt.json, and other files can be named there.';
