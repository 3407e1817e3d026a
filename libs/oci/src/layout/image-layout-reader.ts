import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  compressionOf,
  type Descriptor,
  type DescriptorPlatform,
  type ImageIndex,
  type ImageManifest,
  MEDIA_TYPES,
} from '../descriptor.ts';
import { digestOf } from '../digest.ts';
import { OciError } from '../errors.ts';
import {
  parseImageConfig,
  parseImageIndex,
  parseImageManifest,
  parseIndexFile,
  type ReadImageConfig,
} from './image-schema.ts';
import { blobPath, checkDigest, statFile } from './layout-blob.ts';

/** One image in a layout, with its documents read and checked. */
export interface LayoutImage {
  /** The platform from the descriptor in the index, or from the configuration if the descriptor has none. */
  readonly platform: DescriptorPlatform;
  readonly descriptor: Descriptor;
  readonly manifest: ImageManifest;
  readonly config: ReadImageConfig;
}

/** The contents of an image layout: its image index (absent if it points to a single manifest) and its images. */
export interface ImageLayout {
  readonly folder: string;
  /** The descriptor in `index.json`. */
  readonly root: Descriptor;
  readonly index: ImageIndex | undefined;
  readonly images: readonly LayoutImage[];
}

const DOCUMENT_LIMIT = 4 * 1024 * 1024;

/**
 * Reads an image layout that contains one image index or one manifest. Checks every document's size, digest and media
 * type, and that each blob exists with the right size; `readBlob` checks what is inside layers. Throws
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

async function readImage(folder: string, descriptor: Descriptor): Promise<LayoutImage> {
  const path = await blobPath(folder, descriptor, MEDIA_TYPES.manifest);
  const manifest = parseImageManifest(await readDocument(folder, descriptor), path);
  const configPath = await blobPath(folder, manifest.config, MEDIA_TYPES.config);
  const config = parseImageConfig(await readDocument(folder, manifest.config), configPath);
  if (config.rootfs.diff_ids.length !== manifest.layers.length) {
    throw new OciError(
      'INVALID_LAYOUT',
      `${configPath}: expected ${manifest.layers.length} diff_ids, one for each layer of the manifest, found ${config.rootfs.diff_ids.length}`,
    );
  }
  for (const layer of manifest.layers) {
    if (compressionOf(layer.mediaType) === undefined) {
      throw new OciError('INVALID_LAYOUT', `${path}: layer of unknown type ${layer.mediaType}`);
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
