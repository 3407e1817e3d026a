import {
  type BaseConfig,
  type BaseLayer,
  cleanText,
  type Descriptor,
  type LayerChange,
  MAX_LAYER,
  OciError,
  ociLayerMediaType,
  parseBaseConfig,
  readLayerChanges,
} from '@prebuilt/oci';
import { readImage } from '@prebuilt/oci/registry';
import { type Platform, platformParts } from '../../artifacts/platform.ts';
import { PrebuiltError } from '../../errors.ts';
import { settleAll } from '../../process/settle-all.ts';
import { FileTree } from '../file-tree.ts';
import { PathConflict } from '../tree-nodes.ts';
import type { Accounts } from './accounts.ts';
import type { BaseReference } from './reference.ts';
import type { BaseStore, ImageDocuments, StoredBlob } from './store.ts';

/** A base image for one platform: everything that an image built on it inherits. */
export interface BaseImage {
  readonly reference: BaseReference;
  /** The platform's manifest in the registry. */
  readonly manifest: Descriptor;
  /** The documents that lead from the reference's digest to the layers: indexes, the manifest, the configuration. */
  readonly documents: readonly StoredBlob[];
  readonly config: BaseConfig;
  /** The lowest layer first. */
  readonly layers: readonly StoredLayer[];
  /** Its files, folders and links, with all layers combined. */
  readonly tree: FileTree;
  readonly accounts: Accounts;
}

/** A base layer on disk. */
export interface StoredLayer extends BaseLayer, Pick<StoredBlob, 'path'> {}

/** The maximum compressed size of all layers in a base. */
const MAX_BASE_BYTES = 16 * 1024 ** 3;
const MAX_BASE_LAYERS = 126;
const MAX_ACCOUNTS_BYTES = 1024 * 1024;
const PASSWD = 'etc/passwd';
const GROUP = 'etc/group';

/** Reads the images of a base, one per platform. */
export interface BaseReader {
  /**
   * Reads a base for a platform: its documents by digest, then its layers, each checked against the digest in its manifest
   * and the diffID in its configuration. Throws `BASE_IMAGE` for a base that no image can be built on (another platform,
   * ONBUILD triggers, too many layers), and an `OciError`.
   */
  read(platform: Platform): Promise<BaseImage>;
}

/** Reads a base from a store. A layer that platforms have in common is read once. */
export function baseReader(store: BaseStore, reference: BaseReference): BaseReader {
  const reading = new Map<string, ReturnType<typeof readBaseLayer>>();
  const readLayer = (layer: Descriptor, diffId: BaseLayer['diffId'] | undefined) => {
    const { mediaType, digest, size } = layer;
    const key = JSON.stringify([mediaType, digest, size, diffId]);
    const read = reading.get(key) ?? readBaseLayer(store, reference, layer, diffId);
    reading.set(key, read);
    return read;
  };
  return { read: (platform) => readBaseImage(store.forImage(), reference, platform, readLayer) };
}

async function readBaseImage(
  source: ImageDocuments,
  reference: BaseReference,
  platform: Platform,
  readLayer: (layer: Descriptor, diffId: BaseLayer['diffId'] | undefined) => ReturnType<typeof readBaseLayer>,
): Promise<BaseImage> {
  const parts = platformParts(platform);
  const image = await readImage(source, reference.digest, parts);
  const config = parseBaseConfig(image.configBytes, reference.reference);
  const refuse = (problem: string, hint: string): never => {
    throw new PrebuiltError('BASE_IMAGE', `base ${reference.reference}: ${cleanText(problem)}`, { hint });
  };
  if (config.os !== parts.os || config.architecture !== parts.architecture) {
    refuse(
      `expected an image for ${platform}, found one for ${config.os}/${config.architecture}`,
      `Use a base that has ${platform}, or remove the platform from "platforms".`,
    );
  }
  if (versionOf(config.variant) > Math.max(versionOf(parts.variant), BASELINE[parts.architecture] ?? 0)) {
    refuse(
      `expected an image for ${platform}, found one for ${config.os}/${config.architecture}/${config.variant}, which needs a newer processor`,
      `Use a base that has ${platform}, or remove the platform from "platforms".`,
    );
  }
  if (config.onBuild.length > 0) {
    refuse(
      `has instructions for images built on it (ONBUILD ${config.onBuild[0]?.slice(0, 80)}), which are not supported`,
      'Use a base without ONBUILD.',
    );
  }
  const { layers } = image;
  if (layers.length > MAX_BASE_LAYERS || layers.length !== config.diffIds.length) {
    refuse(
      `expected at most ${MAX_BASE_LAYERS} layers and as many diffIDs, found ${layers.length} and ${config.diffIds.length}`,
      'Use another base, or squash its layers.',
    );
  }
  const size = layers.reduce((total, layer) => total + layer.size, 0);
  if (size > MAX_BASE_BYTES)
    refuse(`expected at most ${MAX_BASE_BYTES} bytes of layers, found ${size}`, 'Use a smaller base.');
  const read = await settleAll(layers.map((layer, index) => readLayer(layer, config.diffIds[index])));
  const tree = treeOf(
    read.map(({ changes }) => changes),
    refuse,
  );
  return {
    reference,
    manifest: {
      mediaType: image.manifest.mediaType,
      digest: image.manifest.digest,
      size: image.manifest.bytes.length,
    },
    documents: [...source.documents],
    config,
    layers: read.map(({ layer }) => layer),
    tree,
    accounts: accountsOf(
      read.flatMap(({ changes }) => changes),
      tree,
    ),
  };
}

/** The implied variant of an architecture without one. */
const BASELINE: Readonly<Record<string, number>> = { amd64: 1, arm64: 8 };

function versionOf(variant: string | undefined): number {
  return Number(/^v(\d{1,3})$/.exec(variant ?? '')?.[1] ?? 0);
}

async function readBaseLayer(
  store: BaseStore,
  { reference }: BaseReference,
  { mediaType, digest, size }: Descriptor,
  diffId: BaseLayer['diffId'] | undefined,
): Promise<{ readonly layer: StoredLayer; readonly changes: readonly LayerChange[] }> {
  const type = ociLayerMediaType(mediaType);
  if (type === undefined || diffId === undefined) {
    throw new OciError(
      'REGISTRY_RESPONSE',
      `base ${reference}: layer ${digest}: expected an OCI or Docker layer, found ${mediaType}`,
    );
  }
  const { path, result } = await store.readLayer({ mediaType, digest, size }, (content) =>
    Array.fromAsync(
      readLayerChanges(content, {
        diffId,
        maxBytes: MAX_LAYER.bytes,
        maxEntries: MAX_LAYER.entries,
        maxNames: MAX_LAYER.names,
        contents: new Set([PASSWD, GROUP]),
        maxContent: MAX_ACCOUNTS_BYTES,
      }),
    ).catch((error: unknown) => {
      if (!(error instanceof OciError)) throw error;
      throw new OciError(error.code, `base ${reference}: ${digest}: ${error.message}`, {
        hint: 'The base was already damaged when it was created: use another one.',
        cause: error,
      });
    }),
  );
  return { layer: { descriptor: { mediaType: type, digest, size }, diffId, path }, changes: result };
}

function treeOf(
  layers: readonly (readonly LayerChange[])[],
  refuse: (problem: string, hint: string) => never,
): FileTree {
  const tree = new FileTree();
  for (const changes of layers) {
    try {
      tree.applyLayer(changes);
    } catch (error) {
      if (!(error instanceof PathConflict)) throw error;
      refuse(`can't be unpacked: ${error.message}`, 'Use another base.');
    }
  }
  return tree;
}

function accountsOf(changes: readonly LayerChange[], tree: FileTree): Accounts {
  const textOf = (path: string): string | undefined => {
    if (tree.lookUp(`/${path}`)?.kind !== 'file') return undefined;
    return changes.findLast((change) => change.path === path)?.content?.toString('utf8');
  };
  return { passwd: textOf(PASSWD), group: textOf(GROUP) };
}
