import fs from 'node:fs';
import { readMountFacts } from './mount-table.ts';
import type { MountFacts, ProbeRequest } from './protocol.ts';
import type { Failure } from './reasons.ts';

/** Holds the mount table against what is expected; the mount is not touched. */
export function inspectMountPoint(
  { path, fsType }: ProbeRequest,
  facts: MountFacts | undefined,
): Failure | undefined {
  const hiddenBy = facts?.hiddenBy;
  if (hiddenBy !== undefined) {
    return {
      reason: 'not_mounted',
      error: `${path}: what is mounted here is hidden under a later mount at ${hiddenBy}`,
    };
  }
  // Only a link that lies in a network file system itself is left to be looked up, which may touch that one.
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
      error: `${path}: only the automounter's trigger is here, nothing is mounted on it`,
    };
  }
  if (mount.device === mount.parentDevice) {
    return {
      reason: 'not_mounted',
      error: `${path}: the mount shows the same file system as the folder around it (device ${mount.device})`,
    };
  }
  return undefined;
}
