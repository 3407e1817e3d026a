import fs from 'node:fs';
import { findMount, parseMountInfo } from './mountinfo.ts';
import {
  type FailureReason,
  type MountFacts,
  type ProbeBegin,
  type ProbeRequest,
  type ProbeVerdict,
  probeOutput,
} from './protocol.ts';

/** The most that is read of a canary, in bytes. */
const maxCanaryBytes = 64 * 1024;

/**
 * The probe process: looks at one mount, once, and writes two lines to {@link probeOutput}. Its calls are synchronous on
 * purpose: whatever hangs, hangs this process, which the monitor kills. Returns the exit code.
 */
export function runProbe(argument: string | undefined): number {
  const request = JSON.parse(argument ?? '') as ProbeRequest;
  const mount = readMountFacts(request.path);
  writeLine({ begin: true, mount });
  const start = performance.now();
  const failure = inspect(request, mount);
  const durationMs = Math.round((performance.now() - start) * 1000) / 1000;
  writeLine(failure === undefined ? { passed: true, durationMs } : { passed: false, durationMs, ...failure });
  return 0;
}

function writeLine(line: ProbeBegin | ProbeVerdict): void {
  fs.writeSync(probeOutput, `${JSON.stringify(line)}\n`);
}

interface Failure {
  readonly reason: FailureReason;
  readonly error: string;
}

function inspect(request: ProbeRequest, mount: MountFacts | undefined): Failure | undefined {
  try {
    switch (request.checkType) {
      case 'canary':
        return inspectCanary(request);
      case 'directory':
        return inspectDirectory(request);
      case 'mountpoint':
        return inspectMountPoint(request, mount);
    }
  } catch (error) {
    return { reason: reasonOf(error), error: error instanceof Error ? error.message : String(error) };
  }
}

function inspectCanary({ path, canaryFile, canaryContent }: ProbeRequest): Failure | undefined {
  const canary = `${path}/${canaryFile}`;
  const descriptor = fs.openSync(canary, fs.constants.O_RDONLY | fs.constants.O_NONBLOCK);
  const outside = leadsOutside(path, descriptor);
  if (outside !== undefined) {
    return { reason: 'missing', error: `${canary}: leads out of the mount, to ${outside}` };
  }
  const buffer = Buffer.alloc(maxCanaryBytes);
  let length = 0;
  for (;;) {
    const count = fs.readSync(descriptor, buffer, length, buffer.length - length, null);
    length += count;
    if (count === 0 || length === buffer.length) break;
  }
  if (length === 0) return { reason: 'empty', error: `${canary}: the file is empty` };
  if (canaryContent === undefined) return undefined;
  const found = buffer.toString('utf8', 0, length);
  if (found === canaryContent || found === `${canaryContent}\n`) return undefined;
  return { reason: 'content', error: `${canary}: the content is not the expected canaryContent` };
}

/** Where a canary that is a symbolic link really is, if that is not below the mount's path. */
function leadsOutside(path: string, descriptor: number): string | undefined {
  const real = fs.readlinkSync(`/proc/self/fd/${descriptor}`);
  if (real.startsWith(`${path}/`)) return undefined;
  const root = fs.realpathSync(path);
  return real.startsWith(root === '/' ? root : `${root}/`) ? undefined : real;
}

function inspectDirectory({ path, minEntries }: ProbeRequest): Failure | undefined {
  if (!fs.statSync(path).isDirectory())
    return { reason: 'not_a_directory', error: `${path}: not a directory` };
  if (minEntries === 0) return undefined;
  const count = countEntries(path, minEntries);
  if (count >= minEntries) return undefined;
  return { reason: 'empty', error: `${path}: expected at least ${minEntries} entries, found ${count}` };
}

function countEntries(path: string, enough: number): number {
  const directory = fs.opendirSync(path);
  let count = 0;
  while (count < enough && directory.readSync() !== null) count += 1;
  return count;
}

function inspectMountPoint(request: ProbeRequest, facts: MountFacts | undefined): Failure | undefined {
  const { path, fsType } = request;
  // Only a path that leads over a symbolic link needs the lookup, which may touch the mount.
  const mount = facts?.mounted === true ? facts : readMountFacts(fs.realpathSync(path));
  if (mount === undefined || !mount.mounted) {
    return { reason: 'not_mounted', error: `${path}: nothing is mounted here` };
  }
  if (fsType !== undefined && mount.fsType !== fsType) {
    return { reason: 'wrong_fstype', error: `${path}: expected ${fsType}, found ${mount.fsType}` };
  }
  if (mount.device === mount.parentDevice) {
    return {
      reason: 'not_mounted',
      error: `${path}: the mount shows the same file system as the folder around it (device ${mount.device})`,
    };
  }
  return undefined;
}

/** Never blocks: the kernel answers from memory, and of the path itself nothing is looked up. */
function readMountFacts(path: string): MountFacts | undefined {
  const entries = parseMountInfo(fs.readFileSync('/proc/self/mountinfo', 'utf8'));
  return findMount(entries, path);
}

const reasons: Readonly<Record<string, FailureReason>> = {
  ENOTCONN: 'not_connected',
  ECONNABORTED: 'not_connected',
  ECONNREFUSED: 'not_connected',
  ESTALE: 'stale',
  EACCES: 'permission',
  EPERM: 'permission',
  ENOENT: 'missing',
  ENAMETOOLONG: 'missing',
  EISDIR: 'missing',
  ENOTDIR: 'not_a_directory',
  ETIMEDOUT: 'timeout',
};

function reasonOf(error: unknown): FailureReason {
  const code = (error as NodeJS.ErrnoException).code;
  return reasons[code ?? ''] ?? 'io';
}
