import { lstat, readdir } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { CHECKSUMS_FILE } from '../../artifacts/checksums.ts';
import { executablesOf, MANIFEST_FILE, type ManifestFile, readManifest } from '../../artifacts/manifest.ts';
import {
  PUBLISH_RECORD_FILE,
  type PublishRecord,
  parsePublishRecord,
} from '../../artifacts/publish-record.ts';
import { SIGNATURE_FILE, signedDigests } from '../../artifacts/signature.ts';
import { PrebuiltError } from '../../errors.ts';
import { readBoundedFile } from '../../files/bounded-file.ts';
import { sha256OfFile } from '../../files/hash.ts';
import { changelogEntry } from '../../github/changelog.ts';
import type { GitHubClient, RemoteRelease } from '../../github/client.ts';
import type { Commit } from '../../github/notes.ts';
import { git, linesOf, requireGit } from '../../process/git.ts';
import { isReleaseDryRun, withTagOf } from '../../version/facts.ts';
import { readGitTags } from '../../version/git-tags.ts';
import { previousTag } from '../../version/previous.ts';
import type { TagPattern } from '../../version/tag-pattern.ts';
import { parseReleaseVersion, type ReleaseVersion } from '../../version/version.ts';
import type { GithubReleaseOptions } from './options.ts';
import type { LocalAsset, ReleaseFacts } from './plan.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/** The GitHub API's URL and the repository, `owner/name`. Throws `INVALID_OPTIONS`. */
export function readTarget(
  options: Pick<GithubReleaseOptions, 'baseUrl' | 'repository'>,
  environment: Environment,
): { readonly baseUrl: string; readonly repository: string } {
  const repository = options.repository ?? environment.GITHUB_REPOSITORY ?? '';
  if (!/^[A-Za-z0-9-]{1,39}\/[A-Za-z0-9._-]{1,100}$/.test(repository)) {
    throw new PrebuiltError(
      'INVALID_OPTIONS',
      `repository: expected owner/name, found ${JSON.stringify(repository)}`,
      { hint: 'Set the environment variable GITHUB_REPOSITORY=owner/name.' },
    );
  }
  const baseUrl = options.baseUrl ?? (environment.GITHUB_API_URL || 'https://api.github.com');
  const url = URL.canParse(baseUrl) ? new URL(baseUrl) : undefined;
  const loopback = url !== undefined && /^(localhost|127(\.\d+){3}|\[::1\])$/.test(url.hostname);
  if (url === undefined || !(url.protocol === 'https:' || (url.protocol === 'http:' && loopback))) {
    throw new PrebuiltError(
      'INVALID_OPTIONS',
      `baseUrl: expected an https URL (http on loopback only), found ${JSON.stringify(baseUrl)}`,
    );
  }
  return { baseUrl, repository };
}

/** The token; may be undefined in a dry run, which only reads. Throws `GITHUB`. */
export function readToken(dryRun: boolean, environment: Environment): string | undefined {
  const token = environment.GITHUB_TOKEN;
  if (token !== undefined && token !== '') return token;
  if (dryRun) return undefined;
  throw new PrebuiltError('GITHUB', 'GITHUB_TOKEN: expected a token that may write releases, found none', {
    hint: 'Locally: GITHUB_TOKEN=$(gh auth token); in a workflow: the permission "contents: write". --dry-run needs no token.',
  });
}

/** The project to release. */
export interface ReleasedSources {
  /** The absolute path of the workspace root. */
  readonly root: string;
  readonly tagPattern: TagPattern;
  /** The folders of the project and its dependencies, relative to the root; empty means the whole repository. */
  readonly folders: readonly string[];
  /** The changelog files that may already describe the changes, relative to the root. */
  readonly changelogs: readonly string[];
}

/** Reads what a stage is planned from: the built files, git, and what GitHub has. */
export async function readReleaseFacts(
  options: GithubReleaseOptions,
  sources: ReleasedSources,
  repository: string,
  client: GitHubClient,
  environment: Environment,
): Promise<ReleaseFacts> {
  const { root: workspaceRoot, tagPattern } = sources;
  const inputPath = resolve(workspaceRoot, options.inputPath);
  const built = await readManifest(inputPath);
  const { version, revision } = checkBuild(built, environment);
  const files = await readAssets(built, inputPath, resolve(workspaceRoot, options.sbomPath));
  const signature = await readSignature(resolve(workspaceRoot, options.signaturePath), files);
  const assets = [...files, ...signature];
  const record =
    options.stage === 'publish' && options.image
      ? await readRecord(resolve(workspaceRoot, options.recordPath))
      : undefined;
  const tag = tagPattern.format(version);
  const [git, releases, tagCommit, changelog] = await Promise.all([
    readGit(sources, version, revision, environment),
    readReleases(client, tag, assets),
    client.commitOfTag(tag),
    readChangelog(sources, version),
  ]);
  return {
    repository,
    version,
    revision,
    manifestSha256: built.sha256,
    assets,
    git,
    releases,
    releasedRevision: await readReleasedRevision(client, releases, tag, { revision, assets }),
    // In a real release, the tag was pushed earlier.
    tagCommit: tagCommit ?? (isReleaseDryRun(environment) ? revision : undefined),
    changelog,
    record,
    attested: await isAttested(environment),
    workflow: workflowFile(environment),
  };
}

/** The largest workflow event to read; GitHub's own limit is 25 MB. */
const MAX_EVENT_BYTES = 25 * 1024 * 1024;

// By default, the generated workflow attests only in public repositories; elsewhere, it sets ATTEST if it does.
// https://docs.github.com/actions/reference/workflows-and-actions/variables#default-environment-variables
async function isAttested(environment: Environment): Promise<boolean> {
  const { GITHUB_ACTIONS, GITHUB_EVENT_PATH = '', ATTEST } = environment;
  if (GITHUB_ACTIONS !== 'true') return false;
  if (ATTEST === 'true' || GITHUB_EVENT_PATH === '') return true;
  const bytes = await readBoundedFile(GITHUB_EVENT_PATH, {
    maxBytes: MAX_EVENT_BYTES,
    code: 'INVALID_RECORD',
  });
  if (bytes === undefined) return true;
  const { repository } = JSON.parse(bytes.toString('utf8')) as { repository?: { visibility?: string } };
  return repository?.visibility === 'public';
}

// owner/name/.github/workflows/x.yml@refs/tags/v1.2.3
// https://docs.github.com/actions/reference/workflows-and-actions/variables#default-environment-variables
function workflowFile({ GITHUB_WORKFLOW_REF = '' }: Environment): string {
  const [, file] = /^[^/]+\/[^/]+\/(\.github\/workflows\/[\w. -]+\.ya?ml)@/.exec(GITHUB_WORKFLOW_REF) ?? [];
  return file ?? '.github/workflows/release.yml';
}

function checkBuild(
  { manifest }: ManifestFile,
  environment: Environment,
): { readonly version: ReleaseVersion; readonly revision: string } {
  const version = parseReleaseVersion(manifest.version);
  if (manifest.revision === null) {
    throw new PrebuiltError(
      'VERSION',
      `${version} is a development build: expected a build of a tagged commit`,
      {
        hint: 'Tag the commit and build again, or set RELEASE_VERSION.',
      },
    );
  }
  const wanted = environment.RELEASE_VERSION;
  if (wanted !== undefined && wanted !== '' && parseReleaseVersion(wanted) !== version) {
    throw new PrebuiltError(
      'VERSION',
      `executables: expected version ${parseReleaseVersion(wanted)} (RELEASE_VERSION), found ${version}`,
    );
  }
  return { version, revision: manifest.revision };
}

/** Reads the release's files: executables, checksums, manifest, bills of materials. Throws `ARTIFACT_CHANGED`. */
async function readAssets(
  { manifest }: ManifestFile,
  inputPath: string,
  sbomPath: string,
): Promise<readonly LocalAsset[]> {
  const built = manifest.platforms.flatMap(executablesOf);
  const executables = built.map(({ path }) => join(inputPath, path));
  const sboms = await readSboms(sbomPath);
  const paths = [...executables, join(inputPath, CHECKSUMS_FILE), join(inputPath, MANIFEST_FILE), ...sboms];
  const assets = await Promise.all(paths.map(readAsset));
  for (const artifact of built) {
    const asset = assets.find(({ name }) => name === artifact.path);
    if (asset?.sha256 !== artifact.sha256) {
      throw new PrebuiltError(
        'ARTIFACT_CHANGED',
        `${artifact.path}: expected sha256 ${artifact.sha256} as in the manifest, found ${asset?.sha256}`,
        { hint: 'Build and verify again: {run verify}' },
      );
    }
  }
  return assets;
}

/** The largest signature bundle to read. */
const MAX_SIGNATURE_BYTES = 1024 * 1024;

/** The bundle that signs the checksums, if there is one. Throws `INVALID_SIGNATURE` if it signs something else. */
async function readSignature(folder: string, assets: readonly LocalAsset[]): Promise<readonly LocalAsset[]> {
  const path = join(folder, SIGNATURE_FILE);
  const bytes = await readBoundedFile(path, { maxBytes: MAX_SIGNATURE_BYTES, code: 'INVALID_SIGNATURE' });
  if (bytes === undefined) return [];
  const signed = signedDigests(bytes.toString('utf8'), path);
  const checksums = assets.find(({ name }) => name === CHECKSUMS_FILE);
  if (checksums !== undefined && signed.includes(checksums.sha256)) return [await readAsset(path)];
  throw new PrebuiltError(
    'INVALID_SIGNATURE',
    `${path}: expected a signature of ${CHECKSUMS_FILE} with sha256 ${checksums?.sha256}, found ${signed.join(', ') || 'none'}`,
    { hint: 'It belongs to a different build: a release with different bytes needs a new version.' },
  );
}

async function readSboms(sbomPath: string): Promise<readonly string[]> {
  const names = await readdir(sbomPath).catch(() => []);
  const found = names.filter((name) => name.endsWith('.cdx.json')).toSorted();
  if (found.length > 0) return found.map((name) => join(sbomPath, name));
  throw new PrebuiltError('SBOM', `${sbomPath}: expected *.cdx.json, found none`, {
    hint: 'Create the bills of materials first: {run sbom}',
  });
}

async function readAsset(path: string): Promise<LocalAsset> {
  const found = await lstat(path).catch((cause: NodeJS.ErrnoException) => {
    throw new PrebuiltError('ARTIFACT_CHANGED', `${path}: can't be read: ${cause.message}`, { cause });
  });
  if (!found.isFile()) {
    throw new PrebuiltError('ARTIFACT_CHANGED', `${path}: expected a regular file, found a link or no file`);
  }
  const { size } = found;
  const sha256 = await sha256OfFile(path);
  return { name: basename(path), path, size, sha256 };
}

/** The largest publish record to read. */
const MAX_RECORD_BYTES = 4 * 1024 * 1024;

async function readRecord(folder: string): Promise<PublishRecord | undefined> {
  const path = join(folder, PUBLISH_RECORD_FILE);
  const bytes = await readBoundedFile(path, { maxBytes: MAX_RECORD_BYTES, code: 'INVALID_RECORD' });
  return bytes === undefined ? undefined : parsePublishRecord(bytes.toString('utf8'), path);
}

/** The largest changelog to read. */
const MAX_CHANGELOG_BYTES = 16 * 1024 * 1024;

/** The version's entry from the first changelog that has one; undefined if none does. */
async function readChangelog(
  { root, changelogs }: ReleasedSources,
  version: ReleaseVersion,
): Promise<string | undefined> {
  for (const file of changelogs) {
    const bytes = await readBoundedFile(resolve(root, file), {
      maxBytes: MAX_CHANGELOG_BYTES,
      code: 'INVALID_RECORD',
    });
    const entry = bytes === undefined ? undefined : changelogEntry(bytes.toString('utf8'), version);
    if (entry !== undefined) return entry;
  }
  return undefined;
}

async function readReleases(
  client: GitHubClient,
  tag: string,
  assets: readonly LocalAsset[],
): Promise<readonly RemoteRelease[]> {
  const releases = await client.listReleases();
  return Promise.all(
    releases.map(async (listed) => {
      if (listed.tag !== tag) return listed;
      const release = await client.readRelease(listed.id);
      const hashed = await Promise.all(
        release.assets.map(async (asset) => {
          const size = assets.find(({ name }) => name === asset.name)?.size;
          const comparable = asset.state === 'uploaded' && asset.size === size;
          return asset.sha256 === undefined && comparable
            ? { ...asset, sha256: await client.hashAsset(asset) }
            : asset;
        }),
      );
      return { ...release, assets: hashed };
    }),
  );
}

/** The largest manifest of a release to read. */
const MAX_RELEASED_MANIFEST_BYTES = 16 * 1024 * 1024;

/** The commit that the files of the tag's release were built from; undefined if no manifest there says so. */
async function readReleasedRevision(
  client: GitHubClient,
  releases: readonly RemoteRelease[],
  tag: string,
  built: { readonly revision: string; readonly assets: readonly LocalAsset[] },
): Promise<string | undefined> {
  const isManifest = ({ name }: { readonly name: string }): boolean => name === MANIFEST_FILE;
  const released = releases.find((each) => each.tag === tag)?.assets.find(isManifest);
  if (released?.state !== 'uploaded' || released.size > MAX_RELEASED_MANIFEST_BYTES) return undefined;
  if (released.sha256 === built.assets.find(isManifest)?.sha256) return built.revision;
  return revisionIn(await client.readAsset(released));
}

// Another version of the plugin may have written it, so only the revision is read.
function revisionIn(manifest: string): string | undefined {
  try {
    const { revision } = (JSON.parse(manifest) ?? {}) as { readonly revision?: unknown };
    return typeof revision === 'string' && /^[0-9a-f]{40,64}$/.test(revision) ? revision : undefined;
  } catch {
    return undefined;
  }
}

const HISTORY_HINT =
  'The notes and "latest" need the full history and its tags: git fetch --unshallow --tags';

async function readGit(
  { root, tagPattern, folders }: ReleasedSources,
  version: ReleaseVersion,
  revision: string,
  environment: Environment,
): Promise<ReleaseFacts['git']> {
  const required = (...args: readonly string[]): Promise<string> => requireGit(root, args, HISTORY_HINT);
  const known = await readGitTags(root, HISTORY_HINT);
  const { gitTags: tags, shallow } = withTagOf(known, version, tagPattern, environment);
  const merged = linesOf(await required('tag', '--merged', revision));
  const before = previousTag(version, merged, tagPattern);
  const range = before === undefined ? revision : `refs/tags/${before}..${revision}`;
  const tagCommit = await commitOfTag(root, tagPattern.format(version));
  const log = await required(
    'log',
    '--no-merges',
    '-z',
    '--max-count=2000',
    '--format=%H%n%s%n%b',
    range,
    '--',
    ...folders,
  );
  const commits = log.split('\0').flatMap(parseCommit);
  return { tags, tagPattern, shallow, previousTag: before, commits, tagCommit };
}

function commitOfTag(root: string, tag: string): Promise<string | undefined> {
  return git(root, 'rev-parse', '--verify', '--quiet', `refs/tags/${tag}^{commit}`);
}

function parseCommit(text: string): readonly Commit[] {
  const [hash = '', subject = '', ...body] = text.split('\n');
  return hash === '' ? [] : [{ hash, subject, body: body.join('\n') }];
}
