import type { MountStatus, TransitionTrigger } from '../monitor/state.ts';
import type { FailureReason } from '../probe/protocol.ts';
import type { Outcome, WatchdogState } from '../watchdog/machine-types.ts';
import { table } from './table.ts';

// Typed by the code's own types, so that adding or removing a state or reason without a description does not compile.
const statuses: Readonly<Record<MountStatus, string>> = {
  unknown: 'not checked yet',
  healthy: 'the last check passed (after failures: `successThreshold` passes in a row)',
  degraded: 'the last check failed, but not yet `failureThreshold` in a row',
  unhealthy:
    '`failureThreshold` checks in a row failed; stays unhealthy until `successThreshold` passes in a row',
};

const triggers: Readonly<Record<TransitionTrigger, string>> = {
  check_passed: 'a first pass, or passes after `degraded`',
  check_failed: 'a failure',
  recovered: 'passes after `unhealthy`',
};

const reasons: Readonly<Record<FailureReason, string>> = {
  timeout: 'no answer within `readTimeout`, or the file system gave up (ETIMEDOUT)',
  hung: 'the killed probe of an earlier check still waits in the kernel',
  not_connected: 'the FUSE daemon is gone (ENOTCONN, ECONNABORTED)',
  stale: 'the file handle is no longer valid, typically NFS (ESTALE)',
  io: 'any other error of the file system, typically EIO',
  permission: 'EACCES or EPERM for the monitor’s user, 65534',
  read_only: 'the mount can be read, but with `writable` nothing can be written to it (EROFS)',
  missing: 'no such path or canary; or the canary is a folder, or a link that leads out of the mount',
  empty: 'the canary is empty, or the folder has fewer than `minEntries` entries',
  content: 'the canary does not hold `canaryContent`',
  not_a_directory: 'the path is not a folder',
  not_mounted: 'nothing is mounted at the path, or only a bind mount of the file system around it',
  wrong_fstype: 'something other than `fsType` is mounted',
};

const watchdog: Readonly<Record<WatchdogState, string>> = {
  disabled: 'off in the configuration',
  disarmed: 'can never act in this environment',
  arming: 'checks whether it may act',
  armed: 'waits for a mount to become unhealthy',
  pending: 'a restart waits for `restartDelay`',
  restarting: 'a restart is in progress or waits for its next attempt',
  verifying: 'the restart was accepted; checks that the pod goes away',
  suppressed: 'the budget holds the restart back',
  notified: 'mode `notify` has reported; waits for all mounts to recover',
  stopped: 'nothing more will be done by this process',
};

const outcomes: Readonly<Record<Outcome, string>> = {
  done: 'the pod is going',
  exited: 'mode `exit` ended the process',
  notified: 'mode `notify` has reported',
  suppressed: 'held back by the budget',
  cancelled: 'all mounts recovered first',
  refused: 'the API server refuses it',
  conflict: 'another pod has this pod’s name',
  failed: 'given up after the retries',
};

const words: Readonly<Record<string, string>> = {
  canary: 'a small file inside a mount; reading it proves that the mount works; `.health-check` by default',
  check: 'a single test of one mount, in a separate process',
  probe: 'that process; also what the kubelet sends to an endpoint',
  inconclusive: 'a check whose probe could not work; it changes no state',
  watchdog: 'the part that restarts the pod',
  arming: 'the watchdog’s proof that it knows its pod, may restart it, and something would replace it',
  budget: 'how many restarts are allowed within a time, counted in a ConfigMap that outlives the pod',
  'native sidecar':
    'an init container with `restartPolicy: Always`; it starts before the application and ends after it',
  'hung mount':
    'a mount whose daemon is alive but does not answer: a read from it cannot be ended, even by SIGKILL',
};

/** Terms of the plugin's pages, as OCI, ELF and Nx use them. */
const release: Readonly<Record<string, string>> = {
  manifest:
    'of an image: the JSON that lists its configuration and layers. Not `manifest.json` of `build-binaries`, which lists the executables',
  index: 'the JSON that lists the image of each platform; its digest names them all',
  layout: 'an image as a folder on disk, with `index.json` and `blobs/`, as OCI defines it',
  'exact tag': 'a tag that always names the same version: `1.2.3`, `v1.2.3`',
  'moving tag': 'a tag that follows the highest version of its line: `1.2`, `1`, `latest`',
  attachment: 'a signature or bill of materials that the registry stores with an image',
  referrer: 'an attachment as seen from its image; registries list referrers by the image’s digest',
  lock: '`prebuilt.lock.json`, which pins by hash what a build takes from outside the repository',
  sysroot: 'a folder with another platform’s loader and C library, as found on a machine of that platform',
};

/** Generates the glossary, in Markdown. */
export function glossary(): string {
  const names = (title: string, rows: Readonly<Record<string, string>>) =>
    table(
      [title, 'meaning'],
      Object.entries(rows).map(([name, meaning]) => [`\`${name}\``, meaning]),
    );
  const reasonRows = Object.entries(reasons).map(([name, meaning]) => [
    `\`${name}\``,
    meaning,
    `[runbook](../runbook.md#${name})`,
  ]);
  return `# Glossary

<!-- Generated from apps/mount-monitor/src/reference/glossary.ts: npm run generate -w mount-monitor -->

## Words

${table(['word', 'meaning'], Object.entries(words))}
## States of a mount

\`status\` in \`/healthz/*\`, \`state\` in \`mount_monitor_mount_state\`, \`from\` and \`to\` in \`mount_monitor_state_transitions_total\`.

${names('state', statuses)}
A change is logged as \`mount state changed\` with a trigger:

${names('trigger', triggers)}
## Reasons of a failure

\`reason\` in \`/healthz/*\` and in \`mount_monitor_checks_total\`.

${table(['reason', 'meaning', 'what to do'], reasonRows)}
## States of the watchdog

\`watchdog.state\` in \`/healthz/status\`, and \`mount_monitor_watchdog_state\`. Its reasons are in
[watchdog.md](../watchdog.md#arming).

${names('state', watchdog)}
## Outcomes of a restart

\`outcome\` in \`mount_monitor_restarts_total\`.

${names('outcome', outcomes)}
## Words of the release pages

${table(['word', 'meaning'], Object.entries(release))}`;
}
