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

/** Everything that a publish will do, and why. Paths are absolute. Contains no secrets. */
export interface PublishPlan {
  readonly name: string;
  readonly version: string;
  /** The index that the tags will point to. */
  readonly index: Descriptor;
  readonly platforms: readonly PlatformPlan[];
  /** The blobs that every repository must have, each listed once. */
  readonly blobs: readonly BlobPlan[];
  /** What to attach to the index once it is proven, in this order. */
  readonly attachments: readonly AttachmentPlan[];
  /** In the order in which they are published to. */
  readonly repositories: readonly RepositoryPlan[];
  /** The image layout to upload. */
  readonly inputPath: string;
  /** The folder for the record. */
  readonly outputPath: string;
  /** How many blobs to upload at once. */
  readonly concurrency: number;
  /** The SHA-256 of the manifest and of the reports that the image was made from. */
  readonly manifestSha256: string;
  readonly reports: readonly { readonly platform: string; readonly sha256: string }[];
}

/** The image of one platform, and what it must be when it is read back. */
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
  /** Which part of the image it is. */
  readonly reason: string;
  /** How to read it back early; undefined for configurations and base layers, which are read with the manifest. */
  readonly reading: LayerReading | undefined;
  /** For a base layer: its source repository. If both are on the same registry, the layer can be mounted from there. */
  readonly mountFrom?: ImageRepository | undefined;
}

/** An attachment. If it is `required` and any registry does not list it, no tag moves in any repository. */
export type AttachmentPlan = {
  readonly required: boolean;
  readonly reason: string;
} & (
  | { readonly kind: 'sbom'; readonly files: readonly SbomFile[]; readonly created: string }
  | { readonly kind: 'signature'; readonly services: SigningAddresses }
);

/** What publishing to one repository will do besides uploading blobs and attachments. */
export interface RepositoryPlan {
  readonly repository: ImageRepository;
  /** `registry/name`. */
  readonly label: string;
  /** `registry/name@digest`. */
  readonly reference: string;
  /** The number of uploads to cancel that a killed run left open. */
  readonly abandonedUploads: number;
  /** An earlier repository on the same registry, from which blobs are mounted. */
  readonly mountFrom: string | undefined;
  readonly tags: readonly TagStep[];
}

/** A planned tag and what happens to it. */
export interface TagStep extends PlannedTag {
  /** `keep`: it already points to this image. `leave`: it must not move. */
  readonly step: 'move' | 'keep' | 'leave';
  /** What it points to now; undefined if the tag does not exist. */
  readonly from: Digest | undefined;
}

/** The options that affect the plan. */
export type PublishChoices = Pick<
  DockerPublishOptions,
  'tagSpellings' | 'tagLatest' | 'allowRetag' | 'requireSbom' | 'requireSignature' | 'concurrency'
>;

/**
 * Plans a publish of facts that passed `checkLocalFacts`. Throws `TAG_EXISTS` if a tag of this version points to
 * something else, and whatever planning the tags throws.
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
  { repository, tags, existing, commits }: RepositoryFacts,
  served: readonly RepositoryFacts[],
  choices: PublishChoices,
): RepositoryPlan {
  const { digest } = local.layout.root;
  const label = formatImageReference(repository);
  const gitTag = local.tagPattern.format(parseReleaseVersion(local.manifest.version));
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
    tags: planned.map((tag) => {
      const commit = commits.get(tag.tag);
      const found = {
        digest: existing.get(tag.tag),
        moved: commit !== local.manifest.revision ? commit : undefined,
      };
      return planTag(tag, found, { label, digest, gitTag }, choices);
    }),
  };
}

function planTag(
  tag: PlannedTag,
  /** Of the image that the tag points to: its digest, and its commit if ours is of another one. */
  { digest: from, moved }: { readonly digest: Digest | undefined; readonly moved: string | undefined },
  { label, digest, gitTag }: { readonly label: string; readonly digest: Digest; readonly gitTag: string },
  { allowRetag }: PublishChoices,
): TagStep {
  if (!tag.move) return { ...tag, step: 'leave', from };
  if (from === digest) return { ...tag, step: 'keep', from };
  if (tag.kind === 'exact' && from !== undefined && !allowRetag) {
    throw new PrebuiltError(
      'TAG_EXISTS',
      `${label}:${tag.tag}: expected no such tag or ${digest}, found ${from}${moved === undefined ? '' : `, of commit ${moved}`}`,
      {
        hint:
          moved === undefined
            ? 'A published version is never replaced. If another builder packed the same files, name that one: --builder of docker-release. Otherwise release another version, or overwrite it: {run} --allow-retag'
            : [
                'A published version is never replaced. If its git tag was moved, the image decides where it belongs:',
                `delete the draft of ${gitTag} on GitHub, if there is one, then git tag --force ${gitTag} ${moved} && git push --force origin ${gitTag} && git checkout ${gitTag}, and run it again.`,
                'Otherwise release another version, or overwrite it: {run} --allow-retag',
              ].join('\n'),
      },
    );
  }
  return { ...tag, step: 'move', from };
}
