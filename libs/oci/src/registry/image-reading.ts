import * as v from 'valibot';
import { type Descriptor, type DescriptorPlatform, MEDIA_TYPES } from '../descriptor.ts';
import { type Digest, isDigest } from '../digest.ts';
import { OciError } from '../errors.ts';
import { parseBoundedJson } from '../layout/bounded-json.ts';
import type { RegistryManifest } from './manifests.ts';
import type { RepositoryClient } from './repository.ts';

/** The parts of a repository client that reading an image needs. */
export type ImageSource = Pick<RepositoryClient, 'getManifest' | 'openBlob' | 'readBlob' | 'attempt'>;

/** The parts of a repository client that reading an image's documents needs. */
export type DocumentSource = Pick<ImageSource, 'getManifest' | 'readBlob'>;

/** An image for one platform, as a registry serves it. The source's `openBlob` opens its layers. */
export interface RemoteImage {
  /** The digest that the reference points to: that of an index, or of the manifest itself. */
  readonly digest: Digest;
  readonly manifest: RegistryManifest;
  readonly config: Descriptor;
  /** From the bottom up; each one can be read. */
  readonly layers: readonly Descriptor[];
  /** The bytes of its configuration, unchanged. */
  readonly configBytes: Buffer;
}

const INDEX_TYPES: ReadonlySet<string> = new Set([
  MEDIA_TYPES.index,
  'application/vnd.docker.distribution.manifest.list.v2+json',
]);
const MANIFEST_TYPES: ReadonlySet<string> = new Set([
  MEDIA_TYPES.manifest,
  'application/vnd.docker.distribution.manifest.v2+json',
]);
const MAX_CONFIG_BYTES = 4 * 1024 * 1024;
const MAX_DEPTH = 2;
const MAX_DESCRIPTORS = 1000;

const text = v.pipe(v.string(), v.maxLength(4096));
const descriptor = v.looseObject({
  mediaType: v.pipe(v.string(), v.minLength(1), v.maxLength(255)),
  digest: v.pipe(
    v.string(),
    v.check(isDigest, 'expected "sha256:" and 64 lowercase hexadecimal digits'),
    v.transform((value) => value as Digest),
  ),
  size: v.pipe(v.number(), v.safeInteger(), v.minValue(0)),
  annotations: v.optional(v.record(text, text)),
  platform: v.optional(v.looseObject({ architecture: text, os: text, variant: v.optional(text) })),
});
const indexSchema = v.looseObject({
  schemaVersion: v.literal(2),
  manifests: v.pipe(v.array(descriptor), v.maxLength(MAX_DESCRIPTORS)),
});
const manifestSchema = v.looseObject({
  schemaVersion: v.literal(2),
  config: descriptor,
  layers: v.pipe(v.array(descriptor), v.maxLength(MAX_DESCRIPTORS)),
});

/**
 * Reads the image for a platform that a tag or digest points to: an index leads to its manifest, in OCI or Docker media
 * types, and each is checked against its digest. Throws `REGISTRY_NOT_FOUND` if there is no image for the platform,
 * listing those that exist, and `REGISTRY_RESPONSE` for anything that is not an image.
 * https://github.com/opencontainers/image-spec/blob/v1.1.1/image-index.md
 */
export async function readImage(
  source: DocumentSource,
  reference: string,
  platform: DescriptorPlatform,
): Promise<RemoteImage> {
  const named = await source.getManifest(reference);
  const manifest = await findManifest(source, reference, named, platform, MAX_DEPTH);
  const { config, layers } = parseAs(manifestSchema, reference, manifest);
  const foreign = layers.find(({ mediaType }) => /foreign|nondistributable/.test(mediaType));
  if (foreign !== undefined) {
    throw new OciError(
      'REGISTRY_RESPONSE',
      `${reference}: expected layers stored in the registry, found ${foreign.mediaType}`,
      { hint: 'Such layers are stored elsewhere and may not be redistributed: use another base image.' },
    );
  }
  const configBytes = await source.readBlob(config, MAX_CONFIG_BYTES);
  return { digest: named.digest, manifest, config, layers, configBytes };
}

async function findManifest(
  source: DocumentSource,
  reference: string,
  found: RegistryManifest,
  platform: DescriptorPlatform,
  depth: number,
): Promise<RegistryManifest> {
  if (MANIFEST_TYPES.has(found.mediaType)) return found;
  if (!INDEX_TYPES.has(found.mediaType) || depth === 0) {
    throw new OciError(
      'REGISTRY_RESPONSE',
      `${reference}: expected an image or an index of images, found ${found.mediaType || 'no media type'}`,
    );
  }
  const { manifests } = parseAs(indexSchema, reference, found);
  const nested = manifests.find(
    ({ mediaType, platform: own }) => INDEX_TYPES.has(mediaType) && own === undefined,
  );
  const match =
    manifests.find((each) => each.platform !== undefined && isSame(each.platform, platform)) ?? nested;
  if (match !== undefined)
    return findManifest(source, reference, await source.getManifest(match.digest), platform, depth - 1);
  const there = manifests.flatMap((each) => (each.platform === undefined ? [] : [nameOf(each.platform)]));
  throw new OciError(
    'REGISTRY_NOT_FOUND',
    `${reference}: expected an image for ${nameOf(platform)}, found ${[...new Set(there)].join(', ') || 'none'}`,
  );
}

function isSame(one: DescriptorPlatform, other: DescriptorPlatform): boolean {
  return nameOf(one) === nameOf(other);
}

// arm64 has no variant other than v8, so some writers leave it out.
function nameOf({ os, architecture, variant }: DescriptorPlatform): string {
  const shown = architecture === 'arm64' && variant === 'v8' ? undefined : variant;
  return [os, architecture, ...(shown ? [shown] : [])].join('/');
}

function parseAs<T extends v.GenericSchema>(
  schema: T,
  reference: string,
  { bytes, digest }: RegistryManifest,
): v.InferOutput<T> {
  let data: unknown;
  try {
    data = parseBoundedJson(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new OciError('REGISTRY_RESPONSE', `${reference}: ${digest}: expected JSON, found something else`, {
      cause,
    });
  }
  const parsed = v.safeParse(schema, data);
  if (parsed.success) return parsed.output;
  const problems = parsed.issues.map((issue) => `${v.getDotPath(issue) ?? '(root)'}: ${issue.message}`);
  throw new OciError('REGISTRY_RESPONSE', `${reference}: ${digest}: ${problems.slice(0, 10).join('; ')}`);
}
