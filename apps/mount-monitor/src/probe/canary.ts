import fs from 'node:fs';
import type { ProbeRequest } from './protocol.ts';
import type { Failure } from './reasons.ts';

/** The most read from a canary, in bytes. */
const MAX_CANARY_BYTES = 64 * 1024;

const buffer = Buffer.alloc(MAX_CANARY_BYTES);

/** Opens and reads the canary file; throws the file system's errors. */
export function inspectCanary({ path, canaryFile, canaryContent }: ProbeRequest): Failure | undefined {
  const canary = `${path}/${canaryFile}`;
  const descriptor = fs.openSync(canary, fs.constants.O_RDONLY | fs.constants.O_NONBLOCK);
  try {
    const outside = leadsOutside(path, descriptor);
    if (outside !== undefined) {
      return { reason: 'missing', error: `${canary}: leads out of the mount, to ${outside}` };
    }
    const length = readInto(descriptor);
    if (length === 0) return { reason: 'empty', error: `${canary}: the file is empty` };
    if (canaryContent === undefined) return undefined;
    const found = buffer.toString('utf8', 0, length);
    if (found === canaryContent || found === `${canaryContent}\n`) return undefined;
    return { reason: 'content', error: `${canary}: the content does not match canaryContent` };
  } finally {
    fs.closeSync(descriptor);
  }
}

function readInto(descriptor: number): number {
  let length = 0;
  for (;;) {
    const count = fs.readSync(descriptor, buffer, length, buffer.length - length, null);
    length += count;
    if (count === 0 || length === buffer.length) return length;
  }
}

/** The real location of a canary that is a symbolic link, if that is outside the mount's path. */
function leadsOutside(path: string, descriptor: number): string | undefined {
  const real = fs.readlinkSync(`/proc/self/fd/${descriptor}`);
  if (real.startsWith(path === '/' ? path : `${path}/`)) return undefined;
  const root = fs.realpathSync(path);
  return real.startsWith(root === '/' ? root : `${root}/`) ? undefined : real;
}
