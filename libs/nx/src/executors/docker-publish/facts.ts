import { join, resolve } from 'node:path';
import {
  BLOBS_FOLDER,
  type Digest,
  type ExpectedImage,
  type ImageLayout,
  type ImageRepository,
  readImageLayout,
} from '@prebuilt/oci';
import type { RepositoryClient } from '@prebuilt/oci/registry';
import { type Manifest, readManifest } from '../../artifacts/manifest.ts';
import { readReportFile, type VerifyReportFile } from '../../artifacts/verify-report.ts';
import { type BaseReading, type Bases, readBases } from '../../image/base/read-bases.ts';
import type { ImageLists } from '../../image/plan.ts';
import { expectedImage, parsedDockerfile, planReleaseImages } from '../../image/release-images.ts';
import { readImageSources } from '../../image/sources.ts';
import { type BuildVersion, versionFromFacts } from '../../version/build-version.ts';
import { readVersionFacts, withTagOf } from '../../version/facts.ts';
import { readGitTags } from '../../version/git-tags.ts';
import type { TagPattern } from '../../version/tag-pattern.ts';
import { tagsOfVersion } from '../../version/tags.ts';
import { parseReleaseVersion } from '../../version/version.ts';
import type { DockerPublishOptions } from './options.ts';
import { readPublishedCommit } from './published-commit.ts';
import { parseRepositories } from './repositories.ts';
import { readSboms, type SbomFile } from './sbom.ts';
import { type SigningAddresses, type SigningServices, signingFacts } from './sign.ts';
import { type OpenUpload, readAbandonedUploads } from './upload-journal.ts';

/** What the options, the files on disk, git and the environment say. */
export interface LocalFacts {
  readonly repositories: readonly ImageRepository[];
  readonly layout: ImageLayout;
  readonly manifest: Manifest;
  readonly manifestSha256: string;
  /** What the image of each platform must be, derived from the Dockerfile and the manifest alone. */
  readonly expected: ReadonlyMap<string, ExpectedImage>;
  /** What is known about the users in each platform's image. */
  readonly lists: ReadonlyMap<string, ImageLists>;
  readonly bases: Bases;
  readonly reports: readonly VerifyReportFile[];
  /** Where the reports are, as given in the options. */
  readonly verifyPath: string;
  /** The version that the environment and git currently ask for. */
  readonly wanted: BuildVersion;
  readonly gitTags: readonly string[];
  /** Which of those tags belong to the project. */
  readonly tagPattern: TagPattern;
  readonly shallow: boolean;
  /** Empty if none are wanted. */
  readonly sboms: readonly SbomFile[];
  /** Undefined if no signature is wanted. */
  readonly signing: SigningAddresses | undefined;
  readonly abandonedUploads: readonly OpenUpload[];
  /** The folder for the record, absolute. */
  readonly outputPath: string;
}

/** What one repository already has. */
export interface RepositoryFacts {
  readonly repository: ImageRepository;
  /** All tags, or only the tags of this version if no others matter. */
  readonly tags: readonly string[];
  /** What the existing tags of this version point to now. */
  readonly existing: ReadonlyMap<string, Digest>;
  /** The commit of the image at each of those tags that points to another one than ours, if it names its commit. */
  readonly commits: ReadonlyMap<string, string>;
}

/** Where to read the local facts from. */
export interface LocalSources {
  readonly root: string;
  readonly tagPattern: TagPattern;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Overrides the services and the identity given by the options and the environment. */
  readonly signing: Partial<SigningServices> | undefined;
  /** How to read a base that is not on disk. */
  readonly base?: BaseReading;
}

/** Reads everything that needs no registry. Throws for conflicting options and for files that can't be read. */
export async function readLocalFacts(
  options: DockerPublishOptions,
  { root, tagPattern, environment, signing, base = {} }: LocalSources,
): Promise<LocalFacts> {
  const repositories = parseRepositories(options.image);
  const services = options.sign ? signingFacts(options, environment, signing) : undefined;
  const binPath = resolve(root, options.binPath);
  const outputPath = resolve(root, options.outputPath);
  const [layout, { manifest, sha256 }, version, sboms] = await Promise.all([
    readImageLayout(resolve(root, options.inputPath)),
    readManifest(binPath),
    readVersionFacts(root, environment, tagPattern),
    options.sbom ? readSboms(resolve(root, options.sbomPath)) : [],
  ]);
  const verifyPath = resolve(root, options.verifyPath);
  const reports = await Promise.all(
    manifest.platforms.map(({ platform }) => readReportFile(verifyPath, platform)),
  );
  // Outside a git repository, RELEASE_VERSION still allows publishing a version without moving tags.
  const known = version.head === undefined ? { gitTags: [], shallow: false } : await readGitTags(root);
  const tags = withTagOf(known, parseReleaseVersion(manifest.version), tagPattern, environment);
  const sources = await readImageSources(root, options.dockerfile, { manifest, inputPath: binPath });
  // The wording of the history is up to the builder and is not compared.
  const bases = await readBases(
    root,
    parsedDockerfile(options, sources, manifest),
    manifest.platforms.map(({ platform }) => platform),
    // The layout contains the bases of its images.
    { environment, folders: [join(layout.folder, BLOBS_FOLDER)], ...base },
  );
  const inputs = { manifest, sources, inputPath: binPath, historyFormat: 'moby-28', bases } as const;
  const images = planReleaseImages(options, manifest.platforms, inputs);
  return {
    repositories,
    layout,
    manifest,
    manifestSha256: sha256,
    expected: new Map(
      images.map((image) => [image.platform, expectedImage(image, manifest.sourceDateEpoch)] as const),
    ),
    lists: new Map(images.map(({ platform, image }) => [platform, image.lists] as const)),
    bases,
    reports: reports.flatMap((report) => report ?? []),
    wanted: versionFromFacts(version),
    ...tags,
    tagPattern,
    sboms,
    signing: services,
    verifyPath: options.verifyPath,
    abandonedUploads: readAbandonedUploads(outputPath),
    outputPath,
  };
}

/**
 * Reads the repositories' tags, and what the tags of this version point to. The tags are listed only if some tag moves
 * to the highest version, so that publishing without moving tags works even if a registry's list can't be read.
 */
export function readRegistryFacts(
  { repositories, manifest, layout }: LocalFacts,
  { tagSpellings, tagLatest }: Pick<DockerPublishOptions, 'tagSpellings' | 'tagLatest'>,
  clientOf: (repository: ImageRepository) => RepositoryClient,
): Promise<readonly RepositoryFacts[]> {
  const wanted = tagsOfVersion(parseReleaseVersion(manifest.version), tagSpellings);
  return Promise.all(
    repositories.map(async (repository): Promise<RepositoryFacts> => {
      const client = clientOf(repository);
      const listed = tagLatest === 'never' ? undefined : await client.listTags();
      const found = await Promise.all(
        wanted
          .filter((tag) => listed?.includes(tag) ?? true)
          .map(async (tag) => {
            const digest = await client.headManifest(tag);
            return digest === undefined ? [] : [[tag, digest] as const];
          }),
      );
      const existing = new Map(found.flat());
      const others = [...existing].filter(([, digest]) => digest !== layout.root.digest);
      const commits = await Promise.all(
        others.map(async ([tag, digest]) => {
          const [own] = layout.images;
          const commit = own && (await readPublishedCommit(client, digest, own.platform));
          return commit === undefined ? [] : [[tag, commit] as const];
        }),
      );
      return {
        repository,
        tags: listed ?? [...existing.keys()],
        existing,
        commits: new Map(commits.flat()),
      };
    }),
  );
}
