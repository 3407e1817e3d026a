import { type Descriptor, OciError, readDocument } from '@prebuilt/oci';
import type { PublishedImage } from '../../artifacts/publish-record.ts';
import { PrebuiltError } from '../../errors.ts';
import type { PublishPlan, TagStep } from './plan.ts';
import type { TagProgress } from './tag-progress.ts';
import type { PublishTarget } from './target.ts';

const OUTCOMES = { move: 'moved', keep: 'kept', leave: 'left' } as const;

/**
 * Moves the tags of one repository in the plan's order, recording each, and reads each back. Throws `TAG_EXISTS` if an
 * exact tag has changed since the plan was made, and `READ_BACK` if a tag does not end up pointing to the index.
 */
export async function moveTags(
  plan: PublishPlan,
  target: PublishTarget,
  progress: TagProgress,
): Promise<PublishedImage['tags']> {
  const { label, tags } = target.plan;
  const bytes = await readDocument(plan.inputPath, plan.index);
  for (const step of tags) {
    if (step.step !== 'move') continue;
    await moveTag(target, step, plan.index, bytes);
    progress.note(step);
  }
  for (const { tag, step } of tags) {
    if (step !== 'leave') await confirmTag(target, tag, plan.index);
  }
  for (const { tag, step, reason } of tags) target.progress(`${label}:${tag}: ${OUTCOMES[step]} (${reason})`);
  return tags.map(({ tag, kind, step, reason }) => ({ tag, kind, outcome: OUTCOMES[step], reason }));
}

async function moveTag(
  { client, plan: { label } }: PublishTarget,
  { tag, kind, from }: TagStep,
  index: Descriptor,
  bytes: Buffer,
): Promise<void> {
  if (kind === 'exact') {
    const found = await client.headManifest(tag);
    if (found === index.digest) return;
    if (found !== from) {
      throw new PrebuiltError(
        'TAG_EXISTS',
        `${label}:${tag}: expected it to still point to ${from ?? 'nothing'}, as it did when the plan was made, found ${found ?? 'nothing'}`,
        {
          hint: 'Another publish of this version is running: let it finish, then decide which of the two you want.',
        },
      );
    }
  }
  try {
    await client.setTag(tag, bytes, index.mediaType);
  } catch (error) {
    // The registry stored different bytes than were sent, so the tag points to unverified content: fix it immediately.
    if (error instanceof OciError && error.code === 'DIGEST_MISMATCH')
      await client.setTag(tag, bytes, index.mediaType);
    throw error;
  }
}

async function confirmTag(
  { client, plan: { label } }: PublishTarget,
  tag: string,
  { digest }: Descriptor,
): Promise<void> {
  const seen = await client.confirmTag(tag, digest);
  if (seen.state === 'named') return;
  throw new PrebuiltError(
    'READ_BACK',
    `${label}:${tag}: expected it to point to ${digest}, found ${seen.found ?? 'none'}`,
    {
      hint:
        seen.state === 'lagging'
          ? 'The registry accepted the tag but still returns what it pointed to before. Run it again in a few minutes.'
          : 'Something else moved the tag at the same time. Run it again once that has finished.',
    },
  );
}
