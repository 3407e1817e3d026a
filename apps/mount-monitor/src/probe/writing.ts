import fs from 'node:fs';
import type { MountFacts, ProbeRequest } from './protocol.ts';
import { type Failure, failureOf } from './reasons.ts';

/**
 * The file that is written and removed. Everybody uses the same name, so that a probe killed in between leaves at most
 * one file, which the next one overwrites.
 */
export const writeProbeFile = '.mount-monitor-write';

const content = Buffer.from(
  'mount-monitor writes and removes this file to check that the mount is writable\n',
);

const { O_WRONLY, O_CREAT, O_TRUNC, O_NOFOLLOW, O_NONBLOCK } = fs.constants;

/** Creates, writes, syncs and removes a file in the mount; throws the file system's errors. */
export function inspectWriting({ path }: ProbeRequest, mount: MountFacts | undefined): Failure | undefined {
  const file = `${path}/${writeProbeFile}`;
  try {
    const descriptor = fs.openSync(file, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_NONBLOCK, 0o600);
    try {
      fs.writeSync(descriptor, content);
      fs.fsyncSync(descriptor);
    } finally {
      fs.closeSync(descriptor);
    }
  } catch (error) {
    const failure = failureOf(error);
    if (failure.reason !== 'read_only') return failure;
    // Such a mount is read-only on purpose, as with readOnly on a volumeMount, so `writable` cannot work.
    const why =
      mount?.readOnly === true ? 'this mount itself is read-only' : 'the file system has become read-only';
    return { reason: 'read_only', error: `${path}: ${why}, but writable is set` };
  }
  try {
    fs.unlinkSync(file);
  } catch (error) {
    // Another monitor may have removed it, because all use the same name.
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  return undefined;
}
