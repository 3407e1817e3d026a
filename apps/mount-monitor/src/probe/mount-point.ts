import fs from 'node:fs';
import { readMountFacts } from './mount-table.ts';
import type { MountFacts, ProbeRequest } from './protocol.ts';
import type { Failure } from './reasons.ts';

/** Compares the mount table with what is expected, without touching the mount. */
export function inspectMountPoint(
  { path, fsType }: ProbeRequest,
  facts: MountFacts | undefined,
): Failure | undefined {
  const hiddenBy = facts?.hiddenBy;
  if (hiddenBy !== undefined) {
    return {
      reason: 'not_mounted',
      error: `${path}: the mount here is hidden by a later mount at ${hiddenBy}`,
    };
  }
  // Only a symbolic link on a network file system remains to be resolved, which may touch that file system.
  const mount = facts?.mounted === true ? facts : readMountFacts(fs.realpathSync(path));
  if (mount === undefined || !mount.mounted) {
    return { reason: 'not_mounted', error: `${path}: nothing is mounted here` };
  }
  if (fsType !== undefined && mount.fsType !== fsType) {
    return { reason: 'wrong_fstype', error: `${path}: expected ${fsType}, found ${mount.fsType}` };
  }
  if (mount.fsType === 'autofs' && fsType !== 'autofs') {
    return {
      reason: 'not_mounted',
      error: `${path}: only the automounter's trigger is here, and nothing is mounted on it`,
    };
  }
  if (mount.device === mount.parentDevice) {
    return {
      reason: 'not_mounted',
      error: `${path}: the mount has the same file system as its parent folder (device ${mount.device})`,
    };
  }
  return undefined;
}
