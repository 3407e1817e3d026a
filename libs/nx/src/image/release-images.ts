import { type ExpectedBase, type ExpectedImage, type ReadEntry, rfc3339 } from '@prebuilt/oci';
import type { ListedGroup, Manifest, PlatformArtifact } from '../artifacts/manifest.ts';
import { type Platform, platformParts } from '../artifacts/platform.ts';
import type { Dockerfile } from '../dockerfile/instructions.ts';
import { readDockerfile } from '../dockerfile/read-dockerfile.ts';
import { PrebuiltError } from '../errors.ts';
import type { Bases } from './base/read-bases.ts';
import { type BuildContext, contextOf } from './context.ts';
import { generateDockerfile } from './generated-dockerfile.ts';
import type { HistoryFormat } from './history.ts';
import { imageLabels, type LabelOptions } from './labels.ts';
import { type LayerPath, layerEntry } from './layer-paths.ts';
import { listedCopies } from './listed/context.ts';
import { type ImagePlan, type PlannedBase, planImage } from './plan.ts';
import type { ImageSources } from './sources.ts';

/** A platform's planned image. */
export interface ReleaseImage {
  readonly platform: Platform;
  readonly context: BuildContext;
  readonly labels: Readonly<Record<string, string>>;
  readonly image: ImagePlan;
}

/** The maintainer's options for a release's images. */
export interface ImageOptions extends LabelOptions {
  readonly dockerfile?: string;
}

/** The inputs for planning a release's images. */
export interface ImageInputs {
  readonly manifest: Manifest;
  readonly sources: ImageSources;
  /** The absolute path of the folder of executables. */
  readonly inputPath: string;
  readonly historyFormat: HistoryFormat;
  /** The Dockerfile's base for each platform; empty for an image from scratch. */
  readonly bases?: Bases;
}

/** The bytes of the maintainer's Dockerfile, or of a generated one. */
export function dockerfileOf(sources: ImageSources, manifest: Manifest): Uint8Array {
  const { name, platforms } = manifest;
  const others = (platforms[0]?.others ?? []).map((each) => each.name);
  const runtime = platforms.some((each) => each.runtime.files.length > 0);
  const copies = listedCopies(manifest.files ?? []);
  return sources.dockerfile ?? Buffer.from(generateDockerfile({ name, others, runtime, copies }));
}

/** The parsed Dockerfile. Throws a `DockerfileError`. */
export function parsedDockerfile(
  { dockerfile }: Pick<ImageOptions, 'dockerfile'>,
  sources: ImageSources,
  manifest: Manifest,
): Dockerfile {
  return readDockerfile(dockerfileOf(sources, manifest), dockerfile ?? 'the generated Dockerfile');
}

/**
 * Plans the platforms' images from the Dockerfile and the manifest. Both building an image and checking it against its
 * plan start from here. Throws a `DockerfileError`.
 */
export function planReleaseImages(
  options: ImageOptions,
  artifacts: readonly PlatformArtifact[],
  { manifest, sources, inputPath, historyFormat, bases }: ImageInputs,
): readonly ReleaseImage[] {
  const dockerfile = parsedDockerfile(options, sources, manifest);
  return artifacts.map((artifact) => {
    const { platform } = artifact;
    const context = contextOf(artifact, inputPath, manifest.files);
    const labels = imageLabels(options, manifest, artifact, sources.packageFacts);
    const parts = platformParts(platform);
    const image = planImage(dockerfile, {
      platform: parts,
      context,
      labels,
      historyFormat,
      base: bases?.get(platform),
      texts: sources.texts,
    });
    if (sources.dockerfile === undefined) checkListed(manifest.files ?? [], platform, image);
    return { platform, context, labels, image };
  });
}

// A file copied later would replace a listed file. Runtime files are copied before listed files, executables after.
function checkListed(groups: readonly ListedGroup[], platform: Platform, { layers }: ImagePlan): void {
  const last = new Map(layers.flat().map((entry) => [entry.path, entry.file?.sha256]));
  const hidden = groups.flatMap(({ files }) => files).find(({ path, sha256 }) => last.get(path) !== sha256);
  if (hidden === undefined) return;
  throw new PrebuiltError(
    'IMAGE_INCOMPLETE',
    `image for ${platform}: /${hidden.path}: expected the listed file, found an executable with the same path`,
    { hint: 'Change the path of the "image.files" entry in prebuilt.json with "to".' },
  );
}

/** What a planned image must look like once built. Its time is the source date, in seconds since 1970. */
export function expectedImage({ platform, image }: ReleaseImage, sourceDateEpoch: number): ExpectedImage {
  const { author, config, history, layers, base, unplanned, files } = image;
  const isPlanned = unplanned.length === 0;
  return {
    platform: platformParts(platform),
    author,
    base: base && expectedBase(base, sourceDateEpoch),
    config,
    created: sourceDateEpoch,
    history,
    layers: layers.map((paths) =>
      isPlanned ? paths.map((path) => expectedEntry(path, sourceDateEpoch)) : [],
    ),
    ...(!isPlanned && {
      unplanned: {
        because: unplanned.map(({ what }) => what),
        files: files.map((path) => expectedEntry(path, sourceDateEpoch)),
      },
    }),
  };
}

/**
 * What an image must inherit from its base. If the base doesn't list its layers, the history attributes each layer to
 * the base, since there is no way to tell which entry belongs to which layer.
 */
export function expectedBase(
  { reference, repository, layers, inherited }: PlannedBase,
  sourceDateEpoch: number,
): ExpectedBase {
  const created = rfc3339(sourceDateEpoch);
  const told = inherited ?? layers.map(() => ({ created, created_by: `FROM ${reference}` }));
  return {
    reference,
    repository,
    layers: layers.map(({ descriptor, diffId }) => ({ descriptor, diffId })),
    inherited: told,
  };
}

function expectedEntry(entry: LayerPath, sourceDateEpoch: number): ReadEntry {
  return { ...layerEntry(entry, sourceDateEpoch), sha256: entry.file?.sha256 };
}
