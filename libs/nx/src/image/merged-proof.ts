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

/** The result of proving an image whose Dockerfile executed something. */
export interface ReducedProof {
  /** What was executed, or copied from an unverified source, in line order: `Dockerfile:3: RUN`, … */
  readonly because: readonly string[];
  /** The number of files and links, besides the base's, that weren't compared with anything. */
  readonly unprovenFiles: number;
  /** The file that the image starts, and whether it was compared. */
  readonly starts: { readonly path: string; readonly proven: boolean };
}

/** The differences in an image's files, and the proof's result if there are none. */
export interface MergedComparison {
  readonly differences: readonly Difference[];
  readonly proof: ReducedProof;
}

/**
 * Applies the layers that were read to the base, like an unpacker, and checks every file of the context at its final
 * path: it must be reached only through folders, and be a regular file with the planned content, mode and owner,
 * without extended attributes. Counts everything at other paths. Throws `IMAGE_INCOMPLETE` if the program that the
 * image starts isn't in it.
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
    `image for ${platformName(platform)}: starts ${JSON.stringify(program)}: expected an executable file, found none`,
    { hint: `Looked for ${candidates.join(', ')} in the finished image.` },
  );
}

/** Describes in one line what a reduced proof does and doesn't cover. */
export function describeReduced({ because, unprovenFiles, starts }: ReducedProof): string {
  return [
    `reduced proof, because of ${because.join(', ')}:`,
    'the verified files are in the image byte for byte, and its configuration is as planned;',
    `${unprovenFiles} other files and links were not compared with anything,`,
    'nor was their effect on the program, such as a library that it loads;',
    `it starts ${starts.path}, which is ${starts.proven ? 'a verified file' : 'not a verified file'}`,
  ].join(' ');
}

/** Refuses unplanned instructions (`Dockerfile:3: RUN`, …) if a full proof is required. Throws `PROOF_REDUCED`. */
export function requireFullProof(unplanned: readonly string[]): void {
  const [first, ...more] = new Set(unplanned);
  if (first === undefined) return;
  const others = more.length === 0 ? '' : ` (and ${more.length} more)`;
  throw new PrebuiltError(
    'PROOF_REDUCED',
    `${first}${others}: --require-full-proof expects a Dockerfile that only copies verified files and configures the image`,
    { hint: ALTERNATIVES },
  );
}

/** Alternatives to executing something. */
export const ALTERNATIVES =
  'Certificates, time zones, users and /tmp are built-ins of "image.files" in prebuilt.json, and other files can be listed there.';
