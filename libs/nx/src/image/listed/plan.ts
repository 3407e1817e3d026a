import { listedProblems } from '../../artifacts/listed.ts';
import { PrebuiltError } from '../../errors.ts';
import { sha256OfFile } from '../../files/hash.ts';
import { type DebianPin, LOCK_COMMAND, LOCK_FILE, type Lock } from '../../lock/lock.ts';
import type { FoundEntry, ListedFacts } from './workspace-files.ts';

/** A built-in that comes from a package in the lock. */
export type PackagedBuiltIn = 'ca-certificates' | 'tzdata';

/** The planned source of an entry of `image.files`. */
export type ListedPlan =
  | {
      readonly kind: 'package';
      readonly name: PackagedBuiltIn;
      readonly pin: DebianPin;
      readonly distribution: NonNullable<Lock['distribution']>;
    }
  | { readonly kind: 'users' }
  | { readonly kind: 'tmp' }
  | Extract<FoundEntry, { readonly kind: 'workspace' }>;

/**
 * Plans the files that images get besides executables, in the order of `image.files`. Throws `INVALID_OPTIONS`, listing
 * all problems: those found by `readListed`, conflicting paths, and packages missing in the lock.
 */
export function planListed({ entries, problems }: ListedFacts, lock: Lock): readonly ListedPlan[] {
  const found = [
    ...problems,
    ...listedProblems(entries.flatMap((entry) => (entry.kind === 'workspace' ? [entry] : []))),
  ];
  const plans = entries.flatMap((entry): readonly ListedPlan[] => {
    if (entry.kind === 'workspace') return [entry];
    if (entry.name === 'users' || entry.name === 'tmp') return [{ kind: entry.name }];
    const pin = lock.data?.[entry.name];
    if (pin === undefined) {
      found.push(`${entry.name}: expected an entry in ${LOCK_FILE}, found none; add it: ${LOCK_COMMAND}`);
      return [];
    }
    return [{ kind: 'package', name: entry.name, pin, distribution: lock.distribution ?? 'debian' }];
  });
  if (found.length === 0) return plans;
  throw new PrebuiltError('INVALID_OPTIONS', `files: ${found.join('\n  files: ')}`, {
    hint: 'Nothing was built. Correct "image.files" in prebuilt.json.',
  });
}

/** The facts about listed files for a build's cache key: lock entries, and the content of files, even ignored ones. */
export async function listedKeyFacts(plans: readonly ListedPlan[]): Promise<unknown> {
  return Promise.all(
    plans.map(async (plan) => {
      if (plan.kind !== 'workspace') return plan;
      const hashes = [];
      for (const { source, path, mode } of plan.files) hashes.push([path, mode, await sha256OfFile(source)]);
      return { ...plan, files: hashes };
    }),
  );
}
