import { OciError } from '@prebuilt/oci';
import { PrebuiltError } from '../../errors.ts';
import type { TagStep } from './plan.ts';
import type { PublishTarget } from './target.ts';

const AGAIN = 'Run it again: finished work is kept.';

/** Tracks which tags of a publish are already public, to report them if the rest fail. */
export interface TagProgress {
  /** Records that a planned tag was moved. */
  note(step: TagStep): void;
  /**
   * Runs work that moves tags. If it fails with an expected error, that error's hint says which tags were moved and
   * which were not. A tag whose response was lost counts as not moved.
   */
  told<T>(work: () => Promise<T>): Promise<T>;
}

/** Tracks the tags of all repositories, starting before any of them has moved. */
export function createTagProgress(targets: readonly Pick<PublishTarget, 'plan'>[]): TagProgress {
  const moved = new Set<TagStep>();

  function linesOfTags(): readonly string[] {
    return targets.map(({ plan: { label, tags } }) => {
      const wanted = tags.filter(({ step }) => step !== 'leave');
      // A tag that an earlier run moved is just as public.
      const isDone = (each: TagStep): boolean => each.step === 'keep' || moved.has(each);
      const done = wanted.filter(isDone);
      const open = wanted.filter((each) => !isDone(each));
      return `${label}: moved: ${namesOf(done)}; not yet: ${namesOf(open)}`;
    });
  }

  return {
    note(step) {
      moved.add(step);
    },
    async told(work) {
      try {
        return await work();
      } catch (error) {
        throw withHint(error, linesOfTags());
      }
    },
  };
}

function namesOf(tags: readonly TagStep[]): string {
  return tags.length === 0 ? 'none' : tags.map(({ tag }) => tag).join(', ');
}

function withHint(error: unknown, lines: readonly string[]): unknown {
  if (error instanceof OciError) {
    const { code, message, refusal, cause } = error;
    // Content that changed in transit must be investigated before a rerun.
    const own = code === 'DIGEST_MISMATCH' ? error.hint : (error.hint ?? AGAIN);
    return new OciError(code, message, { hint: hintOf(own, lines), refusal, cause });
  }
  if (error instanceof PrebuiltError) {
    const { code, message, cause } = error;
    const own = code === 'INTERRUPTED' ? AGAIN : error.hint;
    return new PrebuiltError(code, message, { hint: hintOf(own, lines), cause });
  }
  return error;
}

function hintOf(own: string | undefined, lines: readonly string[]): string {
  return [...(own === undefined ? [] : [own]), ...lines].join('\n');
}
