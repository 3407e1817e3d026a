import fs from 'node:fs';
import { collectGarbage } from '../runtime.ts';
import { inspectCanary } from './canary.ts';
import { inspectDirectory } from './directory.ts';
import { inspectMountPoint } from './mount-point.ts';
import { readMountFacts } from './mount-table.ts';
import {
  type MountFacts,
  type ProbeBegin,
  type ProbeReady,
  type ProbeRequest,
  type ProbeVerdict,
  probeChannel,
  probeTitle,
  titleOf,
} from './protocol.ts';
import { type Failure, failureOf } from './reasons.ts';
import { nameProcess } from './title.ts';
import { inspectWriting } from './writing.ts';

/**
 * A probe exits after this many checks or with this much private memory, in KiB, which is measured every few checks.
 */
const MAX_CHECKS = 2000;
const MAX_ANONYMOUS_KIB = 8 * 1024;
const COLLECT_ABOVE_KIB = 2560;
const checksBetweenLooks = 50;

/** Consecutive checks share one reading of the mount table, except checks of the table itself. */
const tableAgeMs = 5;

const lineEnd = 10;

/**
 * The probe process: performs the checks requested on {@link probeChannel}, one at a time, until the channel is closed
 * or the probe reaches its limit. Its calls are synchronous on purpose: whatever hangs, hangs this process, which the
 * monitor kills. Returns the exit code.
 */
export function runProbe(): number {
  nameProcess(probeTitle);
  writeLine({ ready: true });
  for (let served = 1; ; served += 1) {
    const request = readRequest();
    if (request === undefined) return 0;
    const last = served >= MAX_CHECKS || (served % checksBetweenLooks === 0 && isLarge());
    check(request, last);
    if (last) return 0;
  }
}

function check(request: ProbeRequest, last: boolean): void {
  nameProcess(titleOf(request));
  const mount = readMountFacts(request.path, request.checkType === 'mountpoint' ? 0 : tableAgeMs);
  writeLine({ begin: true, mount });
  const start = performance.now();
  const failure = inspect(request, mount);
  const durationMs = Math.round((performance.now() - start) * 1000) / 1000;
  const verdict =
    failure === undefined
      ? ({ passed: true, durationMs } as const)
      : { passed: false as const, durationMs, ...failure };
  writeLine(last ? { ...verdict, last } : verdict);
}

function inspect(request: ProbeRequest, mount: MountFacts | undefined): Failure | undefined {
  try {
    if (request.checkType === 'mountpoint') return inspectMountPoint(request, mount);
    const failure = request.checkType === 'canary' ? inspectCanary(request) : inspectDirectory(request);
    return failure === undefined && request.writable ? inspectWriting(request, mount) : failure;
  } catch (error) {
    return failureOf(error);
  }
}

/** Whether this process uses more private memory than it should; collects garbage well before that. */
function isLarge(): boolean {
  const [, anonymous] = /^RssAnon:\s+(\d+) kB$/m.exec(fs.readFileSync('/proc/self/status', 'utf8')) ?? [];
  if (Number(anonymous) > COLLECT_ABOVE_KIB) collectGarbage();
  return Number(anonymous) > MAX_ANONYMOUS_KIB;
}

let buffer = Buffer.alloc(16 * 1024);

/**
 * Reads the next request; undefined once the channel is closed. The next one arrives only after this one is answered.
 */
function readRequest(): ProbeRequest | undefined {
  let length = 0;
  for (;;) {
    const count = fs.readSync(probeChannel, buffer, length, buffer.length - length, null);
    if (count === 0) return undefined;
    length += count;
    if (buffer[length - 1] === lineEnd) return JSON.parse(buffer.toString('utf8', 0, length)) as ProbeRequest;
    if (length === buffer.length) buffer = Buffer.concat([buffer, Buffer.alloc(length)]);
  }
}

function writeLine(line: ProbeReady | ProbeBegin | ProbeVerdict): void {
  fs.writeSync(probeChannel, `${JSON.stringify(line)}\n`);
}
