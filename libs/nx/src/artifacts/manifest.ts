import { createHash } from 'node:crypto';
import { join } from 'node:path';
import * as v from 'valibot';
import { PrebuiltError } from '../errors.ts';
import { readBoundedFile } from '../files/bounded-file.ts';
import { type ListedGroup, listedGroup, listedProblems } from './listed.ts';
import {
  distributionPackage,
  fileName,
  innerPath,
  isInnerPath,
  platform,
  sha256,
  size,
  text,
  time,
} from './manifest-fields.ts';
import { type Platform, platformSuffix } from './platform.ts';

export { isInnerPath, type ListedGroup };

/** The name of the manifest inside a folder of built executables. */
export const MANIFEST_FILE = 'manifest.json';

/** Enough for 10,000 listed files, and as many more in archives. */
const MAX_MANIFEST_BYTES = 16 * 1024 * 1024;

const component = v.strictObject({
  kind: v.picklist(['library', 'framework']),
  purl: v.pipe(text, v.startsWith('pkg:', 'expected a package URL, pkg:…')),
  license: v.optional(text),
  integrity: v.optional(text),
});

const runtimeFile = v.strictObject({
  path: innerPath,
  mode: v.picklist(['0644', '0755']),
  size,
  sha256,
  package: v.nullable(v.strictObject(distributionPackage)),
});

const executable = {
  path: fileName,
  size,
  sha256,
  elf: v.strictObject({
    type: text,
    machine: text,
    interpreter: v.nullable(text),
    needed: v.array(text),
    versionNeeds: v.record(v.string(), v.array(text)),
  }),
};

const platformArtifact = v.strictObject({
  platform,
  ...executable,
  others: v.optional(v.array(v.strictObject({ name: fileName, ...executable }))),
  runtime: v.strictObject({ path: fileName, files: v.array(runtimeFile) }),
  components: v.array(component),
});

const manifest = v.strictObject({
  schemaVersion: v.literal(2),
  name: fileName,
  version: text,
  revision: v.nullable(v.pipe(v.string(), v.regex(/^[0-9a-f]{40,64}$/))),
  sourceDateEpoch: time,
  toolchain: v.strictObject({ name: text, version: text }),
  components: v.array(component),
  files: v.optional(v.array(listedGroup)),
  platforms: v.pipe(v.array(platformArtifact), v.minLength(1)),
});

/** A component of an executable: its package URL and, if known, its SPDX license and its archive's integrity hash. */
export type ManifestComponent = Readonly<v.InferOutput<typeof component>>;

/** A file in a runtime folder: a loader, a shared library, or documentation of their package. */
export type RuntimeFile = Readonly<v.InferOutput<typeof runtimeFile>>;

/**
 * The build result for one platform: the program's main executable and its ELF facts, the same for each additional
 * executable, the components specific to this platform, and the runtime files for all executables. Sizes are in bytes.
 */
export type PlatformArtifact = Readonly<v.InferOutput<typeof platformArtifact>>;

/**
 * The contents of a build's output folder (`manifest.json`): name, version, revision (null for a development build),
 * source date in seconds since 1970, toolchain, the components common to all platforms, the files added to images
 * besides executables (one group per entry of `image.files`), and each platform, sorted by name.
 */
export type Manifest = Readonly<v.InferOutput<typeof manifest>>;

/** A manifest and the hexadecimal SHA-256 of the exact bytes it was read from. */
export interface ManifestFile {
  readonly manifest: Manifest;
  readonly sha256: string;
}

/** A platform's executable, as described in the manifest. */
export type ExecutableFacts = Pick<PlatformArtifact, 'path' | 'size' | 'sha256' | 'elf'>;

/** Every executable of a platform: the program's main one first, then the others in manifest order. */
export function executablesOf(artifact: PlatformArtifact): readonly [ExecutableFacts, ...ExecutableFacts[]] {
  const facts = ({ path, size, sha256, elf }: ExecutableFacts): ExecutableFacts => ({
    path,
    size,
    sha256,
    elf,
  });
  return [facts(artifact), ...(artifact.others ?? []).map(facts)];
}

/** The file name of an executable: `<name>-<os>-<arch>[<variant>]`. */
export function executableName(name: string, target: Platform): string {
  return `${name}-${platformSuffix(target)}`;
}

/** The folder with the files that an executable needs: `runtime-<os>-<arch>[<variant>]`. */
export function runtimeFolderName(target: Platform): string {
  return `runtime-${platformSuffix(target)}`;
}

/** The text of `manifest.json`: two-space JSON with a final line feed, identical for identical manifests. */
export function formatManifest(content: Manifest): string {
  return `${JSON.stringify(content, null, 2)}\n`;
}

/** Parses the text of a `manifest.json`. Throws `INVALID_MANIFEST`, listing every problem with its path. */
export function parseManifest(json: string, source: string): Manifest {
  let data: unknown;
  try {
    data = JSON.parse(json);
  } catch (cause) {
    throw new PrebuiltError('INVALID_MANIFEST', `${source}: expected JSON: ${(cause as Error).message}`, {
      cause,
    });
  }
  const parsed = v.safeParse(manifest, data);
  if (!parsed.success) {
    const problems = parsed.issues.map((issue) => `${v.getDotPath(issue) ?? '(root)'}: ${issue.message}`);
    throw new PrebuiltError('INVALID_MANIFEST', `${source}: ${problems.slice(0, 20).join('; ')}`);
  }
  checkNames(parsed.output, source);
  const [listed] = listedProblems(parsed.output.files ?? []);
  if (listed !== undefined) throw new PrebuiltError('INVALID_MANIFEST', `${source}: files: ${listed}`);
  return parsed.output;
}

/**
 * Reads the `manifest.json` in a folder. Throws `MANIFEST_MISSING` if there is none, and `INVALID_MANIFEST` if it can't
 * be used.
 */
export async function readManifest(folder: string): Promise<ManifestFile> {
  const path = join(folder, MANIFEST_FILE);
  const bytes = await readBoundedFile(path, { maxBytes: MAX_MANIFEST_BYTES, code: 'INVALID_MANIFEST' });
  if (bytes === undefined) {
    throw new PrebuiltError('MANIFEST_MISSING', `${path}: expected a file, found none`, {
      hint: 'Build the executables first: {run build-binaries}',
    });
  }
  return {
    manifest: parseManifest(bytes.toString('utf8'), path),
    sha256: createHash('sha256').update(bytes).digest('hex'),
  };
}

function checkNames(content: Manifest, source: string): void {
  const seen = new Set<string>();
  for (const artifact of content.platforms) {
    if (seen.has(artifact.platform)) {
      throw new PrebuiltError('INVALID_MANIFEST', `${source}: ${artifact.platform} is listed more than once`);
    }
    seen.add(artifact.platform);
    const expected = executableName(content.name, artifact.platform);
    if (artifact.path !== expected) {
      throw new PrebuiltError(
        'INVALID_MANIFEST',
        `${source}: ${artifact.platform}: expected the path ${expected}, found ${artifact.path}`,
      );
    }
    checkOthers(content, artifact, source);
    const folder = runtimeFolderName(artifact.platform);
    if (artifact.runtime.path !== folder) {
      throw new PrebuiltError(
        'INVALID_MANIFEST',
        `${source}: ${artifact.platform}: expected the runtime folder ${folder}, found ${artifact.runtime.path}`,
      );
    }
    checkPaths(artifact, source);
  }
}

// If a path were given twice, or were another path's folder, its content would be ambiguous.
function checkPaths({ platform, runtime }: PlatformArtifact, source: string): void {
  const paths = new Set<string>();
  const folders = new Set<string>();
  for (const { path } of runtime.files) {
    const parts = path.split('/');
    const above = parts.slice(1).map((_, index) => parts.slice(0, index + 1).join('/'));
    if (paths.has(path) || folders.has(path) || above.some((folder) => paths.has(folder))) {
      throw new PrebuiltError(
        'INVALID_MANIFEST',
        `${source}: ${platform}: ${runtime.path}/${path} is listed more than once, or is also a folder`,
      );
    }
    paths.add(path);
    for (const folder of above) folders.add(folder);
  }
}

function checkOthers(content: Manifest, artifact: PlatformArtifact, source: string): void {
  const refuse = (expected: string, found: string): never => {
    throw new PrebuiltError(
      'INVALID_MANIFEST',
      `${source}: ${artifact.platform}: others: expected ${expected}, found ${found}`,
    );
  };
  const names = (each: PlatformArtifact | undefined): string =>
    (each?.others ?? []).map(({ name }) => name).join(', ') || 'none';
  const [first] = content.platforms;
  if (names(artifact) !== names(first)) refuse(`${names(first)}, as on ${first?.platform}`, names(artifact));
  const paths = new Set([artifact.path]);
  for (const { name, path } of artifact.others ?? []) {
    const expected = executableName(name, artifact.platform);
    if (path !== expected) refuse(`the path ${expected}`, path);
    if (paths.has(path)) refuse('each executable once', `${path} twice`);
    paths.add(path);
  }
}
