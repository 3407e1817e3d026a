import { PrebuiltError } from '../../errors.ts';
import { commandOutput } from '../../process/command-output.ts';
import { git, linesOf } from '../../process/git.ts';
import { readVersionFacts } from '../../version/facts.ts';
import { highestTag } from '../../version/previous.ts';
import type { TagPattern } from '../../version/tag-pattern.ts';
import { readTarget, readToken } from '../github-release/facts.ts';
import { optionsOf, type ProjectContext, tagPatternFor, targetOf } from '../project-context.ts';
import type { ReleasePublishOptions } from './options.ts';

/** What decides what to publish for a project. */
export interface ReleasePublishFacts {
  readonly project: string;
  /**
   * The new version that `nx release` decided for each project, or null for no change; undefined if it decided nothing.
   */
  readonly decided: Readonly<Record<string, { readonly newVersion?: string | null }>> | undefined;
  /** `RELEASE_VERSION`. */
  readonly releaseVersion: string | undefined;
  readonly tagsAtHead: readonly string[];
  readonly tagPattern: TagPattern;
  /** The project's highest tag in this clone; undefined if there is none or if `nx release` decided. */
  readonly highestTag: string | undefined;
  /** The project's targets; undefined for those it doesn't have. */
  readonly targets: {
    readonly draft: string | undefined;
    readonly image: string | undefined;
    readonly page: string | undefined;
    /** The targets to build before anything is uploaded. */
    readonly built: readonly string[];
  };
  /** The remote's tags; undefined if they are not needed. */
  readonly remoteTags: readonly string[] | undefined;
  /** What is wrong with the GitHub settings, if a release page is wanted. */
  readonly pageProblem: PrebuiltError | undefined;
}

/** How long the remote may take to list its tags, in milliseconds. */
const LIST_TIMEOUT_MS = 60_000;

/** Reads the facts. Queries the remote only if a release page is wanted. Throws `VERSION` if that fails. */
export async function readReleasePublishFacts(
  options: ReleasePublishOptions,
  context: ProjectContext,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<ReleasePublishFacts> {
  const tagPattern = tagPatternFor(context);
  const { releaseVersion, tagsAtHead } = await readVersionFacts(context.root, environment, tagPattern);
  const targets = {
    draft: targetOf('github-draft', context),
    image: targetOf('docker-publish', context),
    page: targetOf('github-release', context),
    built: ['docker-release', 'verify', 'sbom'].flatMap((step) => targetOf(step, context) ?? []),
  };
  const decided = options.nxReleaseVersionData as ReleasePublishFacts['decided'];
  const asked = targets.page !== undefined && !options.dryRun;
  return {
    project: context.projectName ?? '',
    decided,
    releaseVersion: releaseVersion === '' ? undefined : releaseVersion,
    tagsAtHead,
    tagPattern,
    highestTag: decided === undefined ? await readHighestTag(context.root, tagPattern) : undefined,
    targets,
    remoteTags: asked ? await readRemoteTags(context.root, options.remote) : undefined,
    pageProblem: asked ? findPageProblem(optionsOf(targets.page, context), environment) : undefined,
  };
}

async function readHighestTag(root: string, pattern: TagPattern): Promise<string | undefined> {
  return highestTag(linesOf((await git(root, 'tag', '--list')) ?? ''), pattern);
}

// The page's targets check the same, but they only run after the tag is pushed.
function findPageProblem(
  { repository, baseUrl }: Readonly<Record<string, unknown>>,
  environment: Readonly<Record<string, string | undefined>>,
): PrebuiltError | undefined {
  const given = {
    ...(typeof repository === 'string' && { repository }),
    ...(typeof baseUrl === 'string' && { baseUrl }),
  };
  try {
    readTarget(given, environment);
    readToken(false, environment);
    return undefined;
  } catch (error) {
    if (error instanceof PrebuiltError) return error;
    throw error;
  }
}

async function readRemoteTags(root: string, remote: string): Promise<readonly string[]> {
  const { ok, text } = await commandOutput('git', ['ls-remote', '--tags', '--refs', '--', remote], {
    cwd: root,
    timeoutMs: LIST_TIMEOUT_MS,
  });
  if (ok) return linesOf(text).map((line) => line.replace(/^\S+\s+refs\/tags\//, ''));
  throw new PrebuiltError('VERSION', `git remote ${remote}: expected its tags, found: ${text}`, {
    hint: `The release page needs the tag on GitHub. Run git remote add ${remote} URL, or name another remote: {run} --remote=NAME`,
  });
}
