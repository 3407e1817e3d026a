import type { PublishRecord } from '../../artifacts/publish-record.ts';
import { PrebuiltError } from '../../errors.ts';
import type { RemoteAsset, RemoteRelease } from '../../github/client.ts';
import { type Commit, formatNotes } from '../../github/notes.ts';
import type { TagPattern } from '../../version/tag-pattern.ts';
import { planTags } from '../../version/tags.ts';
import { isPrerelease, type ReleaseVersion } from '../../version/version.ts';

/** A file to upload as an asset. Sizes are bytes, hashes hexadecimal. */
export interface LocalAsset {
  readonly name: string;
  readonly path: string;
  readonly size: number;
  readonly sha256: string;
}

/** Everything that decides what to do about a release. */
export interface ReleaseFacts {
  readonly repository: string;
  readonly version: ReleaseVersion;
  /** The commit that the executables were built from. */
  readonly revision: string;
  readonly manifestSha256: string;
  readonly assets: readonly LocalAsset[];
  readonly git: {
    readonly tags: readonly string[];
    /** Which of those tags belong to the project. */
    readonly tagPattern: TagPattern;
    readonly shallow: boolean;
    readonly previousTag: string | undefined;
    readonly commits: readonly Commit[];
    /** The commit that this version's tag points to in this clone; undefined if the clone doesn't have the tag. */
    readonly tagCommit: string | undefined;
  };
  /** The repository's releases; those of this version with all their assets, hashed. */
  readonly releases: readonly RemoteRelease[];
  /**
   * The commit that the files of this version's release were built from, as its own manifest says; undefined if there
   * is no release or no manifest.
   */
  readonly releasedRevision: string | undefined;
  /** The commit that the tag points to on GitHub. */
  readonly tagCommit: string | undefined;
  /** The changelog entry that `nx release` wrote for this version; undefined if it wrote none. */
  readonly changelog: string | undefined;
  /** Whether a workflow attested the files and the image. */
  readonly attested: boolean;
  /** The file of the workflow that runs this, relative to the repository root; `release.yml` outside a workflow. */
  readonly workflow: string;
  readonly record: PublishRecord | undefined;
}

/** What the maintainer asked for. */
export interface ReleaseOptions {
  readonly stage: 'draft' | 'publish';
  readonly tagLatest: 'auto' | 'never';
  /** Whether the program has an image, which must be published before the page. */
  readonly image: boolean;
}

/** An asset and what to do about it: `replace` first deletes an incomplete upload. */
export type PlannedAsset = LocalAsset &
  (
    | { readonly action: 'upload' | 'keep' }
    | { readonly action: 'replace'; readonly cutOff: { readonly id: number; readonly name: string } }
  );

/** What will be done, in this order: the release, its assets, and publishing it. */
export interface ReleasePlan {
  readonly stage: 'draft' | 'publish';
  readonly repository: string;
  readonly tag: string;
  readonly commit: string;
  readonly name: string;
  readonly body: string;
  readonly prerelease: boolean;
  readonly latest: { readonly move: boolean; readonly reason: string };
  readonly release:
    | { readonly action: 'create' }
    | { readonly action: 'change' | 'keep' | 'publish'; readonly id: number; readonly pageUrl: string };
  readonly assets: readonly PlannedAsset[];
}

/**
 * Plans a stage. Throws `RELEASE_CONFLICT` if GitHub has something else under this version, naming every difference;
 * `RELEASE_INCOMPLETE` if the page can't be published yet; and whatever `planTags` throws.
 */
export function planRelease(options: ReleaseOptions, facts: ReleaseFacts): ReleasePlan {
  const tag = facts.git.tagPattern.format(facts.version);
  const existing = releaseOfTag(tag, facts);
  checkTag(tag, facts);
  if (options.stage === 'publish' && options.image) checkRecord(facts);
  const latest = planLatest(options, facts);
  const assets = planAssets(tag, facts, existing);
  const plan = {
    stage: options.stage,
    repository: facts.repository,
    tag,
    commit: facts.revision,
    name: tag,
    body: formatNotes({
      tag,
      repository: facts.repository,
      previousTag: facts.git.previousTag,
      commits: facts.git.commits,
      changelog: facts.changelog,
      assets: facts.assets,
      image: options.image,
      record: options.stage === 'publish' ? facts.record : undefined,
      attested: facts.attested,
      workflow: facts.workflow,
    }),
    prerelease: isPrerelease(facts.version),
    latest,
    assets,
  };
  if (existing === undefined) {
    if (options.stage === 'draft') return { ...plan, release: { action: 'create' } };
    throw new PrebuiltError('RELEASE_INCOMPLETE', `${tag}: expected a draft to publish, found no release`, {
      hint: 'Create the draft first: {run github-draft}',
    });
  }
  const { id, pageUrl } = existing;
  if (!existing.draft) {
    checkPublished(tag, plan, existing, facts);
    return { ...plan, release: { action: 'keep', id, pageUrl } };
  }
  if (options.stage === 'draft') return { ...plan, release: { action: 'change', id, pageUrl } };
  const missing = assets.filter(({ action }) => action !== 'keep').map(({ name }) => name);
  if (missing.length > 0) {
    throw new PrebuiltError(
      'RELEASE_INCOMPLETE',
      `${tag}: expected a draft with all ${assets.length} assets, but these are missing: ${missing.join(', ')}`,
      { hint: 'Finish the draft first: {run github-draft}' },
    );
  }
  return { ...plan, release: { action: 'publish', id, pageUrl } };
}

function releaseOfTag(tag: string, facts: ReleaseFacts): RemoteRelease | undefined {
  const [first, ...more] = facts.releases.filter((each) => each.tag === tag);
  if (more.length === 0) return first;
  throw new PrebuiltError(
    'RELEASE_CONFLICT',
    `${tag}: expected one release, found ${more.length + 1}: ${[first, ...more].map((each) => `${each?.draft ? 'draft' : 'published'} ${each?.pageUrl}`).join(', ')}`,
    { hint: 'On the releases page, delete the unwanted drafts, then run it again.' },
  );
}

function checkTag(tag: string, facts: ReleaseFacts): void {
  const { tagCommit, revision } = facts;
  if (tagCommit === revision) return;
  const found = tagCommit === undefined ? 'no such tag' : `commit ${tagCommit}`;
  throw new PrebuiltError(
    'RELEASE_CONFLICT',
    `tag ${tag} on GitHub: expected commit ${revision}, which the executables were built from, found ${found}`,
    {
      hint:
        tagCommit === undefined
          ? `Push the tag: git push origin ${tag}`
          : (hintOfMovedTag(tag, facts) ?? hintOfOtherCommit(tag, tagCommit, facts)),
    },
  );
}

// Only the files that are already on GitHub tell which commit the tag was pushed with.
function hintOfMovedTag(
  tag: string,
  { releasedRevision, tagCommit, git }: Pick<ReleaseFacts, 'releasedRevision' | 'tagCommit' | 'git'>,
): string | undefined {
  if (releasedRevision === undefined || tagCommit === undefined || releasedRevision === tagCommit)
    return undefined;
  const commit = git.tagCommit === releasedRevision ? '' : ` ${releasedRevision}`;
  return [
    `The tag moved: the files of its release are from commit ${releasedRevision}, and the tag is now at ${tagCommit}.`,
    `Move it back: ${commit === '' ? '' : `git tag --force ${tag}${commit} && `}git push --force origin ${tag} && git checkout ${tag}`,
    `Then build and release again. Commit ${tagCommit} needs a new version.`,
    `Only if docker-publish then ends with TAG_EXISTS, the public image is of another commit: do what that error says.`,
  ].join('\n');
}

// Without a release, only a clone that has the tag can tell whether the tag moved or HEAD did.
function hintOfOtherCommit(
  tag: string,
  onGitHub: string,
  { git, releasedRevision }: Pick<ReleaseFacts, 'git' | 'releasedRevision'>,
): string {
  const here = git.tagCommit;
  const fetch = `git fetch --force origin tag ${tag} && git checkout ${tag}, then build and release again.`;
  if (here === onGitHub)
    return `The tag is at the same commit here, so the build is from another one. git checkout ${tag}, then build and release again.`;
  if (here === undefined)
    return `This clone doesn't have the tag: git fetch origin tag ${tag}, git checkout ${tag}, then build and release again.`;
  if (releasedRevision === onGitHub)
    return [
      `The tag moved in this clone: here, it is at ${here}. Move it back: ${fetch}`,
      `Commit ${here} needs a new version.`,
    ].join('\n');
  return [
    `In this clone, the tag is at ${here}, so it moved here or on GitHub.`,
    `If it moved on GitHub, move it back: git push --force origin ${tag}`,
    `If it moved here: ${fetch}`,
    'The commit that it moved to needs a new version.',
  ].join('\n');
}

function checkRecord({ record, manifestSha256, version, assets }: ReleaseFacts): void {
  if (record === undefined) {
    throw new PrebuiltError(
      'RELEASE_INCOMPLETE',
      `${version}: expected the record of its published image, found none`,
      {
        hint: 'Publish the image first: {run docker-publish}',
      },
    );
  }
  if (record.manifestSha256 !== manifestSha256 || record.version !== version) {
    throw new PrebuiltError(
      'RELEASE_CONFLICT',
      `record of the image: expected version ${version} and manifest ${manifestSha256}, found ${record.version} and ${record.manifestSha256}`,
      { hint: 'Publish the image of these executables first: {run docker-publish}' },
    );
  }
  const known = new Set(assets.map(({ sha256 }) => sha256));
  for (const { repository, platforms } of record.images) {
    for (const { platform, executableSha256 } of platforms) {
      if (known.has(executableSha256)) continue;
      throw new PrebuiltError(
        'RELEASE_CONFLICT',
        `${repository}, ${platform}: its executable ${executableSha256} is not among the release's files`,
      );
    }
  }
}

// Only published pages count. If no page is marked as the latest, GitHub shows the one with the newest commit, so a
// version without a page yet must not keep the others from being marked.
// https://docs.github.com/rest/releases/releases#get-the-latest-release
function planLatest(options: ReleaseOptions, facts: ReleaseFacts): ReleasePlan['latest'] {
  const { tags, tagPattern, shallow } = facts.git;
  const published = facts.releases
    .filter((each) => !each.draft && !each.prerelease)
    .flatMap(({ tag }) => tagPattern.parse(tag) ?? []);
  const latest = planTags(
    {
      version: facts.version,
      gitTags: tags.filter((tag) => tag === tagPattern.format(facts.version)),
      tagPattern,
      shallow,
      registryTags: published,
    },
    { spellings: ['plain'], moving: options.tagLatest },
  ).find(({ tag }) => tag === 'latest');
  if (latest === undefined) throw new Error('planTags plans no "latest"');
  return { move: latest.move, reason: latest.reason };
}

function planAssets(
  tag: string,
  facts: ReleaseFacts,
  existing: RemoteRelease | undefined,
): readonly PlannedAsset[] {
  const differences: string[] = [];
  const remote = new Map(existing?.assets.map((asset) => [asset.name, asset]));
  const planned = facts.assets.map((asset): PlannedAsset => {
    const found = remote.get(asset.name);
    remote.delete(asset.name);
    if (found === undefined) return { ...asset, action: 'upload' };
    if (found.state !== 'uploaded')
      return { ...asset, action: 'replace', cutOff: { id: found.id, name: found.name } };
    const difference = assetDifference(asset, found);
    if (difference !== undefined) differences.push(difference);
    return { ...asset, action: 'keep' };
  });
  differences.push(...[...remote.keys()].map((name) => `${name}: expected no such asset`));
  if (differences.length === 0) return planned;
  const { releasedRevision, revision } = facts;
  const commits =
    releasedRevision === undefined || releasedRevision === revision
      ? ''
      : `, built from commit ${releasedRevision} instead of ${revision}`;
  throw new PrebuiltError(
    'RELEASE_CONFLICT',
    [`${tag}: GitHub has other files${commits}:`, ...differences, existing?.pageUrl].join('\n  '),
    {
      hint:
        hintOfMovedTag(tag, facts) ??
        (existing?.draft
          ? 'Nothing was overwritten. If the draft is unwanted, delete it on its page and run it again.'
          : 'A published release never changes: give it a new version.'),
    },
  );
}

/** How an asset differs from the local file; undefined if they are the same. */
export function assetDifference(
  wanted: Pick<LocalAsset, 'name' | 'size' | 'sha256'>,
  found: RemoteAsset,
): string | undefined {
  if (found.name !== wanted.name) return `${wanted.name}: GitHub calls it ${found.name}`;
  if (found.size !== wanted.size) return `${wanted.name}: expected ${wanted.size} bytes, found ${found.size}`;
  if (found.sha256 !== wanted.sha256)
    return `${wanted.name}: expected sha256 ${wanted.sha256}, found ${found.sha256 ?? 'none'}`;
  return undefined;
}

function checkPublished(
  tag: string,
  plan: Pick<ReleasePlan, 'prerelease' | 'assets'>,
  existing: RemoteRelease,
  { record }: ReleaseFacts,
): void {
  const differences = [
    ...plan.assets.filter(({ action }) => action !== 'keep').map(({ name }) => `${name} is missing`),
    ...(existing.prerelease === plan.prerelease ? [] : [`expected prerelease ${plan.prerelease}`]),
    ...(record?.images ?? [])
      .filter(({ reference }) => !existing.body.includes(reference))
      .map(({ reference }) => `its notes do not mention ${reference}`),
  ];
  if (differences.length === 0) return;
  throw new PrebuiltError(
    'RELEASE_CONFLICT',
    `${tag} is published (${existing.pageUrl}) and differs: ${differences.join('; ')}`,
    { hint: 'A published release never changes: give it a new version.' },
  );
}
