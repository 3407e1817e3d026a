import {
  compareDocuments,
  type Descriptor,
  type Digest,
  type ExpectedImage,
  formatImageReference,
  type ImageLayout,
  type ImageRepository,
  platformName,
} from '@prebuilt/oci';
import type { Manifest } from '../../artifacts/manifest.ts';
import { parsePlatform } from '../../artifacts/platform.ts';
import type { VerifyReport } from '../../artifacts/verify-report.ts';
import { PrebuiltError } from '../../errors.ts';
import { checkCompleteness } from '../../image/completeness.ts';
import { refuseDifferences } from '../../image/proof.ts';
import type { BuildVersion } from '../../version/build-version.ts';
import type { TagPattern } from '../../version/tag-pattern.ts';
import { type PlannedTag, planTags, type TagSpelling } from '../../version/tags.ts';
import { parseReleaseVersion } from '../../version/version.ts';

/** What is on disk. */
export interface LocalFacts {
  readonly layout: ImageLayout;
  readonly manifest: Manifest;
  readonly manifestSha256: string;
  /** What the image of each platform has to be, from the Dockerfile and the manifest alone. */
  readonly expected: ReadonlyMap<string, ExpectedImage>;
  readonly reports: readonly VerifyReport[];
  /** The version that the environment and git ask for now. */
  readonly wanted: BuildVersion;
  readonly gitTags: readonly string[];
  /** Which of them are the project's. */
  readonly tagPattern: TagPattern;
  readonly shallow: boolean;
}

/** What one repository has already. */
export interface RepositoryFacts {
  readonly repository: ImageRepository;
  readonly tags: readonly string[];
  /** What the tags of this version name now, for those that exist. */
  readonly existing: ReadonlyMap<string, Digest>;
}

/** A tag of a plan and what becomes of it. */
export interface TagStep extends PlannedTag {
  /** `keep`: it names this image already. `leave`: it is not to move. */
  readonly step: 'move' | 'keep' | 'leave';
  /** What it names now; undefined where there is no such tag. */
  readonly from: Digest | undefined;
}

/** What publishing to one repository will do. */
export interface RepositoryPlan {
  readonly repository: ImageRepository;
  /** `registry/name@digest`. */
  readonly reference: string;
  readonly tags: readonly TagStep[];
}

/** What a publish will do. */
export interface PublishPlan {
  readonly name: string;
  readonly version: string;
  readonly index: Descriptor;
  readonly platforms: readonly {
    readonly platform: string;
    readonly digest: Digest;
    readonly executableSha256: string;
  }[];
  readonly repositories: readonly RepositoryPlan[];
  /** Who certifies and who logs the signature of the index; null where none is asked for. */
  readonly signing: SigningPlan | null;
}

/** The addresses of Sigstore's services. */
export interface SigningPlan {
  readonly fulcioURL: string;
  readonly rekorURL: string;
}

/** What the maintainer asks for. */
export interface PublishChoices {
  readonly tagSpellings: readonly TagSpelling[];
  readonly tagLatest: 'auto' | 'never';
  readonly allowRetag: boolean;
}

/**
 * Plans a publish, or refuses it: the image has to be of the manifest's version and platforms, each with a passing
 * report for this very manifest, and no tag of this version may name something else. Throws before anything is sent.
 */
export function planPublish(
  local: LocalFacts,
  remote: readonly RepositoryFacts[],
  choices: PublishChoices,
  signing: SigningPlan | null,
): PublishPlan {
  const { layout, manifest } = local;
  checkLocalFacts(local);
  return {
    name: manifest.name,
    version: manifest.version,
    index: layout.root,
    platforms: layout.images.map(({ platform, descriptor }) => {
      const name = platformName(platform);
      const artifact = manifest.platforms.find((each) => each.platform === name);
      return { platform: name, digest: descriptor.digest, executableSha256: artifact?.sha256 ?? '' };
    }),
    repositories: remote.map((facts) => planRepository(local, facts, choices)),
    signing: signing === null ? null : { fulcioURL: signing.fulcioURL, rekorURL: signing.rekorURL },
  };
}

/**
 * Refuses what is on disk, before any registry is asked: a development build, a build of another version than is
 * wanted, an image of other platforms than the manifest's, a platform without a passing report for this manifest, a
 * configuration or manifest of the image that does not follow from the Dockerfile and manifest.json.
 */
export function checkLocalFacts(local: LocalFacts): void {
  checkVersion(local);
  checkPlatforms(local);
  checkDocuments(local);
}

function planRepository(local: LocalFacts, facts: RepositoryFacts, choices: PublishChoices): RepositoryPlan {
  const { repository, existing } = facts;
  const { digest } = local.layout.root;
  const planned = planTags(
    {
      version: parseReleaseVersion(local.manifest.version),
      gitTags: local.gitTags,
      tagPattern: local.tagPattern,
      shallow: local.shallow,
      registryTags: facts.tags,
    },
    { spellings: choices.tagSpellings, moving: choices.tagLatest },
  );
  const tags = planned.map((tag): TagStep => {
    const found = existing.get(tag.tag);
    if (!tag.move) return { ...tag, step: 'leave', from: found };
    if (found === digest) return { ...tag, step: 'keep', from: found };
    if (tag.kind === 'exact' && found !== undefined && !choices.allowRetag) {
      throw new PrebuiltError(
        'TAG_EXISTS',
        `${formatImageReference({ ...repository, tag: tag.tag })}: expected no such tag or ${digest}, found ${found}`,
        { hint: 'A published version is never replaced: release another version, or say --allow-retag.' },
      );
    }
    return { ...tag, step: 'move', from: found };
  });
  return { repository, reference: formatImageReference({ ...repository, digest }), tags };
}

function checkVersion({ manifest, wanted, layout }: LocalFacts): void {
  if (wanted.development) {
    throw new PrebuiltError(
      'VERSION',
      `version: expected a release, found the development build ${manifest.version}`,
      {
        hint: 'Tag the commit, or give RELEASE_VERSION=1.2.3, and run it again from release:build-binaries on.',
      },
    );
  }
  const found = [
    manifest.version,
    ...layout.images.map(({ config }) => config.config?.Labels?.['org.opencontainers.image.version']),
  ];
  const other = found.find((version) => version !== wanted.version);
  if (found.every((version) => version === wanted.version)) return;
  throw new PrebuiltError(
    'VERSION',
    `version: expected ${wanted.version} in manifest and image, found ${other ?? 'none'}`,
    {
      hint: 'dist is of another version: build it again, or unset RELEASE_VERSION.',
    },
  );
}

function checkPlatforms({ layout, manifest, manifestSha256, reports }: LocalFacts): void {
  if (layout.index === undefined) {
    throw new PrebuiltError('PUBLISH', `${layout.folder}: expected an image index, found a single manifest`);
  }
  const built = manifest.platforms.map(({ platform }) => platform).sort();
  const packaged = layout.images.map(({ platform }) => platformName(platform)).sort();
  if (built.join() !== packaged.join()) {
    throw new PrebuiltError(
      'PUBLISH',
      `${layout.folder}: expected ${built.join(', ')}, as in manifest.json, found ${packaged.join(', ')}`,
      {
        hint: 'Run release:docker-release for all platforms.',
      },
    );
  }
  for (const platform of built) {
    const report = reports.find((each) => each.platform === parsePlatform(platform));
    const problem =
      report === undefined
        ? 'no report'
        : report.manifestSha256 !== manifestSha256
          ? `a report of another manifest (${report.manifestSha256.slice(0, 12)}…)`
          : report.result !== 'passed'
            ? 'a failed report'
            : undefined;
    if (problem !== undefined) {
      throw new PrebuiltError(
        'VERIFY_REPORT',
        `${platform}: expected a passing verify report for this build, found ${problem}`,
        {
          hint: 'Run release:verify.',
        },
      );
    }
  }
}

// What is inside the layers is seen when they are read back.
function checkDocuments({ layout, manifest, expected }: LocalFacts): void {
  const refusal = {
    code: 'PUBLISH',
    subject: `${layout.folder}: is not the image that was planned`,
    hint: 'Run docker-release again; docker-publish needs the same Dockerfile and the same options for labels.',
  } as const;
  for (const image of layout.images) {
    const platform = platformName(image.platform);
    const planned = expected.get(platform);
    const artifact = manifest.platforms.find((each) => each.platform === platform);
    if (planned === undefined || artifact === undefined) continue;
    checkCompleteness(artifact, planned);
    refuseDifferences(platform, compareDocuments(planned, image), refusal);
  }
}
