import { RequestError } from '@octokit/request-error';
import { PrebuiltError } from '../../errors.ts';
import type { GitHubClient, RemoteAsset, RemoteRelease } from '../../github/client.ts';
import { assetDifference, type PlannedAsset, type ReleasePlan } from './plan.ts';

/** The result of a stage. */
export interface ReleaseResult {
  readonly pageUrl: string;
  readonly uploaded: readonly string[];
  readonly kept: readonly string[];
}

/**
 * Carries out the plan. Uploads the assets one by one and compares each with the digest that GitHub reports, or with a
 * download if it reports none. Throws `RELEASE_CONFLICT` if they differ. Overwrites nothing. Safe to run again.
 */
export async function runRelease(
  plan: ReleasePlan,
  client: GitHubClient,
  say: (line: string) => void,
): Promise<ReleaseResult> {
  const content = {
    tag: plan.tag,
    name: plan.name,
    body: plan.body,
    prerelease: plan.prerelease,
  };
  const uploads = plan.assets.filter(({ action }) => action !== 'keep').map(({ name }) => name);
  const kept = plan.assets.filter(({ action }) => action === 'keep').map(({ name }) => name);
  switch (plan.release.action) {
    case 'keep':
      return { pageUrl: plan.release.pageUrl, uploaded: [], kept };
    case 'create':
    case 'change': {
      const draft =
        plan.release.action === 'create'
          ? await client.createDraft(content)
          : await client.updateRelease(plan.release.id, content);
      for (const asset of plan.assets) await place(asset, draft, client, say);
      await checkAssets(plan, await client.readRelease(draft.id), client);
      return { pageUrl: draft.pageUrl, uploaded: uploads, kept };
    }
    case 'publish': {
      const published = await client.updateRelease(plan.release.id, content, {
        makeLatest: plan.latest.move,
      });
      await checkPublished(plan, published, client);
      return { pageUrl: published.pageUrl, uploaded: [], kept };
    }
  }
}

async function place(
  asset: PlannedAsset,
  draft: RemoteRelease,
  client: GitHubClient,
  say: (line: string) => void,
): Promise<void> {
  if (asset.action === 'keep') return;
  if (asset.action === 'replace') await client.deleteAsset(asset.cutOff);
  let tried = false;
  const taken = await client.retried(`upload ${asset.name}`, async () => {
    // What a failed try left behind decides what to do now.
    const found = tried
      ? (await client.readRelease(draft.id)).assets.find(({ name }) => name === asset.name)
      : undefined;
    tried = true;
    if (found?.state === 'uploaded') return found;
    if (found !== undefined) await client.deleteAsset(found);
    return uploadOnce(asset, draft, client);
  });
  await requireSame(asset, taken, client);
  say(`${asset.name}: uploaded, ${asset.size} bytes, sha256 ${asset.sha256}`);
}

async function uploadOnce(
  asset: PlannedAsset,
  draft: RemoteRelease,
  client: GitHubClient,
): Promise<RemoteAsset> {
  try {
    return await client.uploadAsset(draft, asset);
  } catch (error) {
    // Somebody else was faster, or an earlier response was lost: compare it like any other asset.
    if (!(error instanceof RequestError) || error.status !== 422) throw error;
    const found = (await client.readRelease(draft.id)).assets.find(({ name }) => name === asset.name);
    if (found?.state !== 'uploaded') throw error;
    return found;
  }
}

async function requireSame(asset: PlannedAsset, found: RemoteAsset, client: GitHubClient): Promise<void> {
  const hashed =
    found.sha256 === undefined && found.size === asset.size
      ? { ...found, sha256: await client.hashAsset(found) }
      : found;
  const difference = assetDifference(asset, hashed);
  if (difference === undefined) return;
  throw new PrebuiltError('RELEASE_CONFLICT', `uploaded asset: ${difference}`, {
    hint: 'The draft is not published. Delete this asset on its page and run it again.',
  });
}

async function checkAssets(plan: ReleasePlan, release: RemoteRelease, client: GitHubClient): Promise<void> {
  for (const asset of plan.assets) {
    const found = release.assets.find(({ name }) => name === asset.name);
    if (found === undefined || found.state !== 'uploaded') {
      throw new PrebuiltError('RELEASE_CONFLICT', `${asset.name}: expected it among the assets, found none`, {
        hint: 'Somebody changed the draft in the meantime: run it again.',
      });
    }
    if (found.sha256 !== undefined || found.size !== asset.size) await requireSame(asset, found, client);
  }
}

async function checkPublished(
  plan: ReleasePlan,
  published: RemoteRelease,
  client: GitHubClient,
): Promise<void> {
  await checkAssets(plan, published, client);
  const [latest, commit] = await Promise.all([client.latestTag(), client.commitOfTag(plan.tag)]);
  // GitHub recreates a tag that was deleted in the meantime, on the default branch.
  const problem = published.draft
    ? 'expected it to be published, found a draft'
    : published.tag !== plan.tag
      ? `expected the tag ${plan.tag}, found ${published.tag}`
      : commit !== plan.commit
        ? `expected the tag at commit ${plan.commit}, found ${commit ?? 'no such tag'}`
        : plan.latest.move !== (latest === plan.tag)
          ? `expected it ${plan.latest.move ? '' : 'not '}to be the latest release, found ${latest ?? 'none'}`
          : undefined;
  if (problem === undefined) return;
  throw new PrebuiltError('RELEASE_CONFLICT', `${plan.tag}, after publishing: ${problem}`, {
    hint: `See ${published.pageUrl}`,
  });
}
