import { compressionOf, type DescriptorPlatform, type ImageIndex, MEDIA_TYPES } from '../descriptor.ts';
import { formatImageConfig, inheritedSteps, rfc3339 } from '../layout/image-config.ts';
import { compareValues, type Difference } from './difference.ts';
import type { ExpectedImage, FoundDocuments, FoundImage } from './expected-image.ts';
import { compareLayer } from './layer-comparison.ts';

/**
 * Every difference between an image and its plan: first in its documents, then in every path of each layer. Empty if
 * the image is the planned one.
 */
export function compareImage(expected: ExpectedImage, found: FoundImage): readonly Difference[] {
  return [
    ...compareDocuments(expected, found),
    ...expected.layers.flatMap((entries, index) =>
      compareLayer(entries, found.layers[index] ?? [], (expected.base?.layers.length ?? 0) + index),
    ),
  ];
}

/**
 * The differences visible in an image's documents before any layer is read: its platform, its whole configuration (a
 * member that is not in the plan is a difference), and its manifest, which must contain nothing but this configuration
 * and these layers.
 */
export function compareDocuments(expected: ExpectedImage, found: FoundDocuments): readonly Difference[] {
  return [
    ...compareValues('platform', { ...expected.platform }, found.platform),
    ...compareManifest(expected, found),
    ...compareConfig(expected, found),
  ];
}

/** The differences between an image index and one with exactly these platforms, each once and nothing else. */
export function compareIndex(
  platforms: readonly DescriptorPlatform[],
  index: ImageIndex,
): readonly Difference[] {
  const { manifests, ...rest } = index;
  const plain = { schemaVersion: 2, mediaType: MEDIA_TYPES.index };
  const shapes = manifests.map(({ digest: _, size: __, ...shape }) => shape);
  const sorted = (values: readonly object[]): readonly unknown[] =>
    values.map((value) => JSON.stringify(value, memberOrder)).sort();
  return [
    ...compareValues('index', plain, rest),
    ...compareValues(
      'index.manifests',
      sorted(platforms.map((platform) => ({ mediaType: MEDIA_TYPES.manifest, platform }))),
      sorted(shapes),
    ),
  ];
}

// Sorts members, whatever order they were read in.
function memberOrder(_name: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** The annotation that BuildKit adds to a layer after setting its timestamps; the value is in seconds since 1970. */
const REWRITTEN_TIMESTAMP = 'buildkit/rewritten-timestamp';

/**
 * Clients act on more than a manifest's list of layers: annotations that point to another file table inside a layer
 * (zstd:chunked, eStargz), and URLs and inline data in descriptors. None of these is planned.
 */
function compareManifest(
  { created, base, layers: own }: ExpectedImage,
  { manifest }: FoundDocuments,
): readonly Difference[] {
  const below = base?.layers ?? [];
  const { config, layers: found, ...rest } = manifest;
  const { digest: _, size: __, ...configShape } = config;
  const counts = [below.length + own.length, found.length].map((count) => `${count} layers`);
  return [
    ...compareValues('manifest', { schemaVersion: 2, mediaType: MEDIA_TYPES.manifest }, rest),
    ...compareValues('manifest.config', { mediaType: MEDIA_TYPES.config }, configShape),
    ...compareValues('manifest.layers', counts[0], counts[1]),
    ...below.flatMap(({ descriptor: { mediaType, digest, size } }, index) =>
      compareValues(`manifest.layers[${index}] (of the base)`, { mediaType, digest, size }, found[index]),
    ),
    ...found
      .slice(below.length)
      .flatMap(({ digest: _, size: __, mediaType, annotations, ...shape }, index) => {
        const where = `manifest.layers[${below.length + index}]`;
        const known = compressionOf(mediaType) === undefined ? MEDIA_TYPES.layerGzip : mediaType;
        const planned = annotations === undefined ? undefined : { [REWRITTEN_TIMESTAMP]: String(created) };
        return [
          ...compareValues(where, {}, shape),
          ...compareValues(`${where}.mediaType`, known, mediaType),
          ...compareValues(`${where}.annotations`, planned, annotations),
        ];
      }),
  ];
}

function compareConfig(expected: ExpectedImage, { config: found }: FoundDocuments): readonly Difference[] {
  const { platform, created, author, config, base } = expected;
  const below = base?.layers ?? [];
  const diffIds = found.rootfs.diff_ids;
  const planned = JSON.parse(
    formatImageConfig({ ...platform, author, config, created, history: [], diffIds }),
  );
  const { history, ...rest } = found as typeof found & { readonly history?: unknown };
  const { history: _, ...plannedRest } = planned;
  return [
    ...compareValues('', plannedRest, rest),
    ...compareValues(
      'rootfs.diff_ids',
      `${below.length + expected.layers.length} layers`,
      `${diffIds.length} layers`,
    ),
    ...below.flatMap(({ diffId }, index) =>
      compareValues(`rootfs.diff_ids[${index}] (of the base)`, diffId, diffIds[index]),
    ),
    ...compareHistory(expected, history),
  ];
}

function compareHistory({ history, created, base }: ExpectedImage, found: unknown): readonly Difference[] {
  const entries = Array.isArray(found) ? found : [];
  const planned = [
    ...(JSON.parse(JSON.stringify(inheritedSteps(base?.inherited ?? []))) as readonly object[]),
    ...history.map(({ emptyLayer }) => ({
      created: rfc3339(created),
      comment: 'buildkit.dockerfile.v0',
      ...(emptyLayer && { empty_layer: true }),
    })),
  ];
  const below = planned.length - history.length;
  return [
    ...compareValues('history', `${planned.length} entries`, `${entries.length} entries`),
    ...planned.flatMap((entry, index) => {
      const { created_by: _, ...own } = Object(entries[index]);
      return compareValues(`history[${index}]`, entry, index < below ? entries[index] : own);
    }),
  ];
}
