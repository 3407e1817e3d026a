import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { lstat, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  compressionOf,
  type Descriptor,
  type DescriptorPlatform,
  type ImageIndex,
  type ImageManifest,
  MEDIA_TYPES,
} from '../descriptor.ts';
import { digestFromHex, digestHex, digestOf } from '../digest.ts';
import { OciError } from '../errors.ts';
import { BLOBS_FOLDER } from './image-layout.ts';
import {
  parseImageConfig,
  parseImageIndex,
  parseImageManifest,
  parseIndexFile,
  type ReadImageConfig,
} from './image-schema.ts';

/** One image of a layout, its documents read and checked. */
export interface LayoutImage {
  /** The platform that the index's descriptor names; the configuration's where it names none. */
  readonly platform: DescriptorPlatform;
  readonly descriptor: Descriptor;
  readonly manifest: ImageManifest;
  readonly config: ReadImageConfig;
}

/** What an image layout holds: its one image index (absent where it names a manifest) and the images. */
export interface ImageLayout {
  readonly folder: string;
  /** What `index.json` names. */
  readonly root: Descriptor;
  readonly index: ImageIndex | undefined;
  readonly images: readonly LayoutImage[];
}

const DOCUMENT_LIMIT = 4 * 1024 * 1024;
const CHUNK = 1024 * 1024;

/**
 * Reads an image layout that names one image index or one manifest: every document's size, digest and media type is
 * checked, and that each blob is there with its size; what is inside layers is checked by `readBlob`. Throws
 * `INVALID_LAYOUT`, `SIZE_MISMATCH` or `DIGEST_MISMATCH`, naming the file.
 * https://github.com/opencontainers/image-spec/blob/v1.1.1/image-layout.md
 */
export async function readImageLayout(folder: string): Promise<ImageLayout> {
  await checkVersion(folder);
  const indexFile = join(folder, 'index.json');
  const [root, ...others] = parseIndexFile(await readBounded(indexFile), indexFile);
  if (root === undefined || others.length > 0) {
    throw new OciError(
      'INVALID_LAYOUT',
      `${indexFile}: expected one image, found ${root === undefined ? 0 : others.length + 1}`,
    );
  }
  if (root.mediaType === MEDIA_TYPES.manifest) {
    return { folder, root, index: undefined, images: [await readImage(folder, root)] };
  }
  const path = await blobPath(folder, root, MEDIA_TYPES.index);
  const index = parseImageIndex(await readDocument(folder, root), path);
  const images: LayoutImage[] = [];
  for (const descriptor of index.manifests) images.push(await readImage(folder, descriptor));
  return { folder, root, index, images };
}

/** The bytes of a small blob (at most 4 MiB). Throws `SIZE_MISMATCH`, `DIGEST_MISMATCH` or `INVALID_LAYOUT`. */
export async function readDocument(folder: string, descriptor: Descriptor): Promise<Buffer> {
  const path = await blobPath(folder, descriptor);
  const bytes = await readBounded(path);
  checkDigest(path, descriptor, digestOf(bytes));
  return bytes;
}

/**
 * The bytes of a blob, in chunks. Throws `DIGEST_MISMATCH` after the last one where they are not the descriptor's:
 * what was made of them before that is not to be used.
 */
export async function* readBlob(folder: string, descriptor: Descriptor): AsyncGenerator<Buffer> {
  const path = await blobPath(folder, descriptor);
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path, { highWaterMark: CHUNK })) {
    hash.update(chunk);
    yield chunk;
  }
  checkDigest(path, descriptor, digestFromHex(hash.digest('hex')));
}

async function readImage(folder: string, descriptor: Descriptor): Promise<LayoutImage> {
  const path = await blobPath(folder, descriptor, MEDIA_TYPES.manifest);
  const manifest = parseImageManifest(await readDocument(folder, descriptor), path);
  const configPath = await blobPath(folder, manifest.config, MEDIA_TYPES.config);
  const config = parseImageConfig(await readDocument(folder, manifest.config), configPath);
  if (config.rootfs.diff_ids.length !== manifest.layers.length) {
    throw new OciError(
      'INVALID_LAYOUT',
      `${configPath}: expected ${manifest.layers.length} diff_ids, as the manifest has layers, found ${config.rootfs.diff_ids.length}`,
    );
  }
  for (const layer of manifest.layers) {
    if (compressionOf(layer.mediaType) === undefined) {
      throw new OciError('INVALID_LAYOUT', `${path}: layer of an unknown type ${layer.mediaType}`);
    }
    await blobPath(folder, layer);
  }
  const { architecture, os, variant } = config;
  const platform = descriptor.platform ?? { architecture, os, ...(variant !== undefined && { variant }) };
  if (platform.architecture !== architecture || platform.os !== os || platform.variant !== variant) {
    throw new OciError(
      'INVALID_LAYOUT',
      `${configPath}: expected the platform of its descriptor, ${platformName(platform)}, found ${platformName({ architecture, os, variant })}`,
    );
  }
  return { platform, descriptor, manifest, config };
}

/** `os/architecture[/variant]` of a descriptor's platform. */
export function platformName({ os, architecture, variant }: DescriptorPlatform): string {
  return variant === undefined || variant === ''
    ? `${os}/${architecture}`
    : `${os}/${architecture}/${variant}`;
}

async function blobPath(folder: string, descriptor: Descriptor, mediaType?: string): Promise<string> {
  const path = join(folder, BLOBS_FOLDER, digestHex(descriptor.digest));
  if (mediaType !== undefined && descriptor.mediaType !== mediaType) {
    throw new OciError(
      'INVALID_LAYOUT',
      `${path}: expected the media type ${mediaType}, found ${descriptor.mediaType}`,
    );
  }
  const found = await statFile(path);
  if (found !== descriptor.size) {
    throw new OciError('SIZE_MISMATCH', `${path}: expected ${descriptor.size} bytes, found ${found}`);
  }
  return path;
}

function checkDigest(path: string, { digest }: Descriptor, found: string): void {
  if (found !== digest) {
    throw new OciError('DIGEST_MISMATCH', `${path}: expected content with ${digest}, found ${found}`);
  }
}

async function checkVersion(folder: string): Promise<void> {
  const path = join(folder, 'oci-layout');
  const text = (await readBounded(path)).toString('utf8');
  let version: unknown;
  try {
    version = JSON.parse(text)?.imageLayoutVersion;
  } catch {
    version = undefined;
  }
  if (version !== '1.0.0') {
    throw new OciError(
      'INVALID_LAYOUT',
      `${path}: expected imageLayoutVersion 1.0.0, found ${JSON.stringify(text.slice(0, 80))}`,
    );
  }
}

async function readBounded(path: string): Promise<Buffer> {
  const size = await statFile(path);
  if (size > DOCUMENT_LIMIT) {
    throw new OciError('INVALID_LAYOUT', `${path}: expected at most ${DOCUMENT_LIMIT} bytes, found ${size}`);
  }
  return readFile(path);
}

async function statFile(path: string): Promise<number> {
  const found = await lstat(path).catch((cause: NodeJS.ErrnoException) => {
    throw new OciError(
      'INVALID_LAYOUT',
      `${path}: ${cause.code === 'ENOENT' ? 'expected a file, found none' : cause.message}`,
      { cause },
    );
  });
  if (!found.isFile()) throw new OciError('INVALID_LAYOUT', `${path}: expected a regular file`);
  return found.size;
}
