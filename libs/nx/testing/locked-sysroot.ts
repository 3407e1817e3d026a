import { join } from 'node:path';
import type { Platform } from '../src/artifacts/platform.ts';
import { fetchArchives } from '../src/lock/debian-package.ts';
import { CACHE_FOLDER, readLock } from '../src/lock/lock.ts';
import { planSysroot } from '../src/sysroot/plan.ts';
import { openSysroot, type Sysroot } from '../src/sysroot/sysroot.ts';
import { REPOSITORY } from './fixture-workspace.ts';

/** The sysroot from this repository's own lock. */
export async function lockedSysroot(platform: Platform): Promise<Sysroot> {
  const plan = planSysroot({ sysrootPackages: [] }, REPOSITORY, await readLock(REPOSITORY), platform);
  return openSysroot(plan, platform, join(REPOSITORY, CACHE_FOLDER), { fetch: fetchArchives('debian') });
}
