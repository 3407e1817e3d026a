import { createHash } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import {
  digestOf,
  formatImageReference,
  type ImageRepository,
  parseImageRepository,
  readImageLayout,
} from '@prebuilt/oci';
import type { RepositoryClient } from '@prebuilt/oci/registry';
import { readManifest } from '../../artifacts/manifest.ts';
import { MAX_REPORT_BYTES, readReport, reportFileName } from '../../artifacts/verify-report.ts';
import { PrebuiltError } from '../../errors.ts';
import { readBoundedFile } from '../../files/bounded-file.ts';
import { expectedImage, planReleaseImages } from '../../image/release-images.ts';
import { readImageSources } from '../../image/sources.ts';
import { git } from '../../process/git.ts';
import { versionFromFacts } from '../../version/build-version.ts';
import { readVersionFacts } from '../../version/facts.ts';
import type { TagPattern } from '../../version/tag-pattern.ts';
import { planTags } from '../../version/tags.ts';
import { parseReleaseVersion } from '../../version/version.ts';
import type { DockerPublishOptions } from './options.ts';
import type { LocalFacts, PublishChoices, RepositoryFacts } from './plan.ts';
import type { SbomFile } from './referrer.ts';
import { SBOM_MEDIA_TYPE } from './referrer.ts';

/** The largest bill of materials that is attached. */
const MAX_SBOM_BYTES = 64 * 1024 * 1024;

/** The repositories that the option names, in its order. Throws `INVALID_REFERENCE` or `INVALID_OPTIONS`. */
export function parseImages(image: DockerPublishOptions['image']): readonly ImageRepository[] {
  const texts = (typeof image === 'string' ? image.split(',') : (image ?? [])).map((text) => text.trim());
  if (texts.length === 0) {
    throw new PrebuiltError('INVALID_OPTIONS', 'image: expected the repository to publish to, found none', {
      hint: 'Set image.repository in prebuilt.json, or the plugin’s option "repository" in nx.json, or give --image=ghcr.io/acme/server.',
    });
  }
  const repositories = texts.map(parseImageRepository);
  const names = repositories.map(formatImageReference);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined)
    throw new PrebuiltError('INVALID_OPTIONS', `image: ${twice} is named more than once`);
  return repositories;
}

/** Reads what is on disk and what git knows. */
export async function readLocalFacts(
  options: DockerPublishOptions,
  root: string,
  tagPattern: TagPattern,
): Promise<LocalFacts> {
  const verifyPath = resolve(root, options.verifyPath);
  const binPath = resolve(root, options.binPath);
  const [layout, { manifest, sha256 }, sources, facts, tags, shallow] = await Promise.all([
    readImageLayout(resolve(root, options.inputPath)),
    readManifest(binPath),
    readImageSources(root, options.dockerfile),
    readVersionFacts(root, process.env, tagPattern),
    git(root, 'tag'),
    git(root, 'rev-parse', '--is-shallow-repository'),
  ]);
  const reports = await Promise.all(
    manifest.platforms.map(({ platform }) => readReport(verifyPath, platform)),
  );
  // How the history words an instruction is up to the builder, and not compared.
  const inputs = { manifest, sources, inputPath: binPath, historyFormat: 'moby-28' } as const;
  const images = planReleaseImages(options, manifest.platforms, inputs);
  return {
    layout,
    manifest,
    expected: new Map(
      images.map((image) => [image.platform, expectedImage(image, manifest.sourceDateEpoch)] as const),
    ),
    manifestSha256: sha256,
    reports: reports.flatMap((report) => report ?? []),
    wanted: versionFromFacts(facts),
    gitTags: (tags ?? '').split('\n').filter((tag) => tag !== ''),
    tagPattern,
    shallow: shallow?.trim() === 'true',
  };
}

/** Reads what a repository has: its tags, and what those of this version name. */
export async function readRepositoryFacts(
  repository: ImageRepository,
  client: RepositoryClient,
  local: LocalFacts,
  choices: PublishChoices,
): Promise<RepositoryFacts> {
  const tags = await client.listTags();
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
  const existing = await Promise.all(
    planned
      .filter(({ tag, move }) => move && tags.includes(tag))
      .map(async ({ tag }) => {
        const digest = await client.headManifest(tag);
        return digest === undefined ? [] : [[tag, digest] as const];
      }),
  );
  return { repository, tags, existing: new Map(existing.flat()) };
}

/** The bills of materials of a folder; none where there is no such folder. */
export async function readSboms(folder: string): Promise<readonly SbomFile[]> {
  const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
  return Promise.all(
    names
      .filter((name) => name.endsWith('.cdx.json'))
      .sort()
      .map(async (name) => {
        const path = join(folder, name);
        const bytes = await readBoundedFile(path, { maxBytes: MAX_SBOM_BYTES, code: 'SBOM' });
        if (bytes === undefined) throw new PrebuiltError('SBOM', `${path}: is gone`);
        return {
          name,
          path,
          descriptor: { mediaType: SBOM_MEDIA_TYPE, digest: digestOf(bytes), size: bytes.length },
        };
      }),
  );
}

/** The SHA-256 of each platform's report. */
export async function hashReports(
  folder: string,
  local: LocalFacts,
): Promise<readonly { readonly platform: string; readonly sha256: string }[]> {
  return Promise.all(
    local.reports.map(async ({ platform }) => {
      const path = join(folder, reportFileName(platform));
      const bytes = await readBoundedFile(path, { maxBytes: MAX_REPORT_BYTES, code: 'INVALID_REPORT' });
      if (bytes === undefined) throw new PrebuiltError('INVALID_REPORT', `${path}: is gone`);
      return { platform, sha256: createHash('sha256').update(bytes).digest('hex') };
    }),
  );
}
