import {
  type Descriptor,
  type Digest,
  type ExpectedImage,
  formatImageReference,
  type ImageRepository,
  type LayerReading,
  layerReadings,
  platformName,
  rfc3339,
} from '@prebuilt/oci';
import { PrebuiltError } from '../../errors.ts';
import { type PlannedTag, planTags } from '../../version/tags.ts';
import { parseReleaseVersion } from '../../version/version.ts';
import type { LocalFacts, RepositoryFacts } from './facts.ts';
import type { DockerPublishOptions } from './options.ts';
import type { SbomFile } from './sbom.ts';
import type { SigningAddresses } from './sign.ts';

/** Everything that a publish will do, and why. Paths are absolute; nothing in it is secret. */
export interface PublishPlan {
  readonly name: string;
  readonly version: string;
  /** The index, which the tags will name. */
  readonly index: Descriptor;
  readonly platforms: readonly PlatformPlan[];
  /** What every repository has to have, each blob once. */
  readonly blobs: readonly BlobPlan[];
  /** What is attached to the index once it is proven, in this order. */
  readonly attachments: readonly AttachmentPlan[];
  /** In the order in which they are served. */
  readonly repositories: readonly RepositoryPlan[];
  /** The image layout that is sent. */
  readonly inputPath: string;
  /** The folder for the record. */
  readonly outputPath: string;
  /** How many blobs are sent at once. */
  readonly concurrency: number;
  /** The SHA-256 of the manifest and the reports that the image was made from. */
  readonly manifestSha256: string;
  readonly reports: readonly { readonly platform: string; readonly sha256: string }[];
}

/** The image of one platform, and what it has to be when it is read back. */
export interface PlatformPlan {
  readonly platform: string;
  readonly digest: Digest;
  readonly manifest: Descriptor;
  readonly executableSha256: string;
  readonly expected: ExpectedImage;
}

/** A blob of the image. */
export interface BlobPlan {
  readonly descriptor: Descriptor;
  /** What it is of the image. */
  readonly reason: string;
  /** How it is read back ahead; undefined for a configuration and for layers of a base, which are read with the manifest. */
  readonly reading: LayerReading | undefined;
  /** Of a layer of a base: where it is from, which a registry of both may be asked to share it from. */
  readonly mountFrom?: ImageRepository | undefined;
}

/** An attachment. One that is `required` stops the tags of all repositories where a registry does not list it. */
export type AttachmentPlan = {
  readonly required: boolean;
  readonly reason: string;
} & (
  | { readonly kind: 'sbom'; readonly files: readonly SbomFile[]; readonly created: string }
  | { readonly kind: 'signature'; readonly services: SigningAddresses }
);

/** What publishing to one repository will do beyond sending the blobs and attaching. */
export interface RepositoryPlan {
  readonly repository: ImageRepository;
  /** `registry/name`. */
  readonly label: string;
  /** `registry/name@digest`. */
  readonly reference: string;
  /** How many uploads that a killed run left open are cancelled. */
  readonly abandonedUploads: number;
  /** The repository of the same registry, served before, that is asked to share its blobs. */
  readonly mountFrom: string | undefined;
  readonly tags: readonly TagStep[];
}

/** A tag of a plan and what becomes of it. */
export interface TagStep extends PlannedTag {
  /** `keep`: it names this image already. `leave`: it is not to move. */
  readonly step: 'move' | 'keep' | 'leave';
  /** What it names now; undefined where there is no such tag. */
  readonly from: Digest | undefined;
}

/** The options that a plan follows. */
export type PublishChoices = Pick<
  DockerPublishOptions,
  'tagSpellings' | 'tagLatest' | 'allowRetag' | 'requireSbom' | 'requireSignature' | 'concurrency'
>;

/**
 * Plans a publish of what `checkLocalFacts` let pass. Throws what planning the tags throws, and `TAG_EXISTS` where a tag
 * of this version names something else.
 */
export function planPublish(
  local: LocalFacts,
  repositories: readonly RepositoryFacts[],
  choices: PublishChoices,
): PublishPlan {
  const { layout, manifest, outputPath } = local;
  return {
    name: manifest.name,
    version: manifest.version,
    index: layout.root,
    platforms: planPlatforms(local),
    blobs: planBlobs(local),
    attachments: planAttachments(local, choices),
    repositories: repositories.map((facts, index) =>
      planRepository(local, facts, repositories.slice(0, index), choices),
    ),
    inputPath: layout.folder,
    outputPath,
    concurrency: choices.concurrency,
    manifestSha256: local.manifestSha256,
    reports: local.reports.map(({ report: { platform }, sha256 }) => ({ platform, sha256 })),
  };
}

function planPlatforms({ layout, manifest, expected }: LocalFacts): readonly PlatformPlan[] {
  return layout.images.map(({ platform: parts, descriptor }) => {
    const platform = platformName(parts);
    const image = expected.get(platform);
    const artifact = manifest.platforms.find((each) => each.platform === platform);
    if (image === undefined || artifact === undefined) throw new Error(`${platform}: was not checked`);
    return {
      platform,
      digest: descriptor.digest,
      manifest: descriptor,
      executableSha256: artifact.sha256,
      expected: image,
    };
  });
}

function planBlobs({ layout, expected }: LocalFacts): readonly BlobPlan[] {
  const blobs = layout.images.flatMap((image): readonly BlobPlan[] => {
    const platform = platformName(image.platform);
    const planned = expected.get(platform);
    if (planned === undefined) throw new Error(`${platform}: was not checked`);
    return [
      {
        descriptor: image.manifest.config,
        reason: `the configuration of ${platform}`,
        reading: undefined,
      },
      ...(planned.base?.layers ?? []).map(({ descriptor }, index) => ({
        descriptor,
        reason: `layer ${index + 1} of ${platform}, from the base ${planned.base?.reference}`,
        reading: undefined,
        mountFrom: planned.base?.repository,
      })),
      ...layerReadings(planned, image).map((reading, index) => ({
        descriptor: reading.layer,
        reason: `layer ${(planned.base?.layers.length ?? 0) + index + 1} of ${platform}`,
        reading,
      })),
    ];
  });
  const digests = [...new Set(blobs.map(({ descriptor }) => descriptor.digest))];
  return digests.flatMap((digest) => {
    const same = blobs.filter(({ descriptor }) => descriptor.digest === digest);
    const [first] = same;
    return first === undefined ? [] : [{ ...first, reason: same.map(({ reason }) => reason).join(' and ') }];
  });
}

function planAttachments(
  { sboms, signing, manifest }: LocalFacts,
  { requireSbom, requireSignature }: PublishChoices,
): readonly AttachmentPlan[] {
  const attachments: AttachmentPlan[] = [];
  if (sboms.length > 0) {
    attachments.push({
      kind: 'sbom',
      required: requireSbom,
      reason: requireSbom ? 'required by --require-sbom' : 'the tags still move if a registry refuses it',
      files: sboms,
      created: rfc3339(manifest.sourceDateEpoch),
    });
  }
  if (signing !== undefined) {
    attachments.push({
      kind: 'signature',
      required: requireSignature,
      reason: requireSignature ? 'required by --require-signature' : 'the tags still move if it is refused',
      services: signing,
    });
  }
  return attachments;
}

function planRepository(
  local: LocalFacts,
  { repository, tags, existing }: RepositoryFacts,
  served: readonly RepositoryFacts[],
  choices: PublishChoices,
): RepositoryPlan {
  const { digest } = local.layout.root;
  const label = formatImageReference(repository);
  const planned = planTags(
    {
      version: parseReleaseVersion(local.manifest.version),
      gitTags: local.gitTags,
      tagPattern: local.tagPattern,
      shallow: local.shallow,
      registryTags: tags,
    },
    { spellings: choices.tagSpellings, moving: choices.tagLatest },
  );
  return {
    repository,
    label,
    reference: formatImageReference({ ...repository, digest }),
    abandonedUploads: local.abandonedUploads.filter((upload) => upload.repository === label).length,
    mountFrom: served.findLast((each) => each.repository.registry === repository.registry)?.repository
      .repository,
    tags: planned.map((tag) => planTag(tag, existing.get(tag.tag), { label, digest }, choices)),
  };
}

function planTag(
  tag: PlannedTag,
  from: Digest | undefined,
  { label, digest }: { readonly label: string; readonly digest: Digest },
  { allowRetag }: PublishChoices,
): TagStep {
  if (!tag.move) return { ...tag, step: 'leave', from };
  if (from === digest) return { ...tag, step: 'keep', from };
  if (tag.kind === 'exact' && from !== undefined && !allowRetag) {
    throw new PrebuiltError(
      'TAG_EXISTS',
      `${label}:${tag.tag}: expected no such tag or ${digest}, found ${from}`,
      { hint: 'A published version is never replaced: release another version, or pass --allow-retag.' },
    );
  }
  return { ...tag, step: 'move', from };
}
