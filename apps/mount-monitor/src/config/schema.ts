import * as v from 'valibot';
import { logFormats, logLevels } from '../log.ts';
import { durationPattern, parseDuration } from './duration.ts';

/** The types of checks. */
export const checkTypes = ['canary', 'directory', 'mountpoint'] as const;
export type CheckType = (typeof checkTypes)[number];

const watchdogModes = ['delete', 'evict', 'exit', 'notify'] as const;

/** The maximum length of a canary's expected content, in characters; it is sent to a probe with each check. */
export const maxCanaryContent = 4096;

// One message per leaf covers every violation, because it says what is allowed.
const oneOf = <const Options extends readonly string[]>(options: Options) =>
  v.picklist(options, `one of ${options.map((option) => `"${option}"`).join(', ')}`);

/** Above this, a JavaScript number is no longer exact. */
export const MAX_WHOLE_NUMBER = Number.MAX_SAFE_INTEGER;

const integer = (min: number, allowed: string) =>
  v.pipe(
    v.number(allowed),
    v.integer(allowed),
    v.minValue(min, allowed),
    v.maxValue(MAX_WHOLE_NUMBER, `${allowed}, and at most ${MAX_WHOLE_NUMBER}`),
  );

/** Like the Go program, treats 0 and below as the default, because templates produce them. */
const integerOrDefault = (preset: number, allowed: string) =>
  v.pipe(
    v.number(allowed),
    v.integer(allowed),
    v.maxValue(MAX_WHOLE_NUMBER, `${allowed}, and at most ${MAX_WHOLE_NUMBER}`),
    v.transform((value) => (value <= 0 ? preset : value)),
  );

const durationText = (minMs: number, allowed: string) =>
  v.pipe(
    v.string(allowed),
    v.regex(durationPattern, allowed),
    v.rawTransform(({ dataset, addIssue, NEVER }) => {
      const milliseconds = parseDuration(dataset.value);
      if (milliseconds !== undefined && milliseconds >= minMs) return milliseconds;
      addIssue({ message: allowed });
      return NEVER;
    }),
  );

const nanosecondsAsMs = (minMs: number, allowed: string) =>
  v.pipe(
    integer(minMs * 1e6, allowed),
    v.transform((nanoseconds) => nanoseconds / 1e6),
  );

const durationOrNanoseconds = (minMs: number, allowed: string) =>
  v.union([durationText(minMs, allowed), nanosecondsAsMs(minMs, allowed)], allowed);

const path = (allowed: string) =>
  v.pipe(
    v.string(allowed),
    v.nonEmpty(allowed),
    v.check((text) => !text.includes('\0'), allowed),
  );

const canaryAllowed = 'the path of a file inside the mount, without ".." that leads out of it';
const canaryFile = v.pipe(path(canaryAllowed), v.check(staysInside, canaryAllowed));

/** Whether a path, relative to a folder, stays below that folder. */
function staysInside(relative: string): boolean {
  let depth = 0;
  for (const segment of relative.split('/')) {
    if (segment === '..') depth -= 1;
    else if (segment !== '' && segment !== '.') depth += 1;
    if (depth < 0) return false;
  }
  return depth > 0 && !/(^|\/)\.$/.test(relative);
}

const hostAllowed = 'an IPv4 or IPv6 address or a host name; empty for all addresses';

// The description is outside the pipe that it describes, because the input's JSON Schema excludes everything after a
// transformation.
const required = <const Schema extends v.GenericSchema>(schema: Schema, text: string) =>
  v.pipe(schema, v.description(text));
const optional = <const Schema extends v.GenericSchema>(schema: Schema, text: string) =>
  v.pipe(v.optional(schema), v.description(text));
const preset = <const Schema extends v.GenericSchema, const Default extends v.InferInput<Schema>>(
  schema: Schema,
  value: Default,
  text: string,
) => v.pipe(v.optional(schema, value), v.description(text));

const portAllowed = 'a whole number from 1 to 65535';
const portOrDefault = (port: number): number => (port <= 0 ? 8080 : port);
const fsTypeAllowed = 'a file system type, such as "fuse.rclone"';
const contentAllowed = `a string of at most ${maxCanaryContent} characters`;

/** What is allowed for the keys that a file must contain. */
export const requiredKeys: Readonly<Record<string, string>> = {
  mounts: 'a list of at least one mount',
  path: 'a path that is not empty',
};

const mountSchema = v.object({
  path: required(
    path('a path that is not empty'),
    'Where the monitor sees the mount, which may differ from where the application does. With deploy/, the volume `mounts` is at `/mnt`; any other path that is mounted into the monitor works, too. A relative path starts at the working directory.',
  ),
  name: optional(v.string('a string'), 'The mount’s name in logs, metrics and on the status page.'),
  canaryFile: optional(canaryFile, 'This mount’s canary; defaults to the global one.'),
  checkType: preset(oneOf(checkTypes), 'canary', 'How the mount is checked.'),
  failureThreshold: preset(
    integer(0, 'a whole number of 0 or more (0: the global one)'),
    0,
    'This mount’s consecutive failures until it is unhealthy; 0 means the global threshold.',
  ),
  fsType: optional(
    v.pipe(v.string(fsTypeAllowed), v.nonEmpty(fsTypeAllowed)),
    'With checkType `mountpoint`: the file system type that the kernel must report, such as `fuse.rclone` or `nfs4`.',
  ),
  minEntries: preset(
    integer(0, 'a whole number of 0 or more'),
    0,
    'With checkType `directory`: the minimum number of entries in the folder.',
  ),
  writable: preset(
    v.boolean('true or false'),
    false,
    'With checkType `canary` or `directory`: also create, sync and remove a file in the mount.',
  ),
  canaryContent: optional(
    v.pipe(v.string(contentAllowed), v.maxLength(maxCanaryContent, contentAllowed)),
    'With checkType `canary`: the expected content of the canary. One newline at the end is ignored.',
  ),
});

const budgetSchema = v.object({
  restarts: preset(integer(1, 'a whole number of 1 or more'), 5, 'The most restarts in the window.'),
  window: preset(
    durationOrNanoseconds(1000, 'a duration of 1s or more, such as "1h"'),
    '1h',
    'The time over which restarts are counted; 1s or more.',
  ),
});

const watchdogSchema = v.object({
  enabled: preset(v.boolean('true or false'), false, 'Whether the watchdog acts at all.'),
  restartDelay: preset(
    durationOrNanoseconds(0, 'a duration of 0s or more, such as "30s", or whole nanoseconds'),
    '0s',
    'How long a mount must stay unhealthy before the restart.',
  ),
  maxRetries: preset(
    integerOrDefault(3, 'a whole number of 1 or more (0 and below: the default, 3)'),
    3,
    'Retries of a failing delete before the process gives up and exits with 1; 0 and below mean the default.',
  ),
  retryBackoffInitial: preset(
    durationOrNanoseconds(1e-6, 'a duration above 0s, such as "100ms", or whole nanoseconds'),
    '100ms',
    'The wait before the first retry, above 0s; it doubles with each retry.',
  ),
  retryBackoffMax: preset(
    durationOrNanoseconds(
      1e-6,
      'a duration not below retryBackoffInitial, such as "10s", or whole nanoseconds',
    ),
    '10s',
    'The longest wait between retries; not below `retryBackoffInitial`.',
  ),
  mode: preset(
    oneOf(watchdogModes),
    'delete',
    'Delete the pod, request its eviction, exit this process with a distinct exit code, or only report.',
  ),
  budget: optional(
    budgetSchema,
    'Limits the restarts within a time window, counted in a ConfigMap. Without it, there is no limit.',
  ),
});

/**
 * The configuration file. This is the only definition of its keys: the parser, the JSON Schema and the reference page
 * are all derived from it. Each leaf's message says what is allowed there.
 */
export const configSchema = v.object({
  $schema: optional(v.string('a string'), 'For editors; ignored.'),
  checkInterval: preset(
    durationText(1000, 'a duration of 1s or more, such as "30s"'),
    '30s',
    'The time between two checks of a mount, ±10 %; 1s or more.',
  ),
  readTimeout: preset(
    durationText(100, 'a duration of 100ms or more and below checkInterval, such as "5s"'),
    '5s',
    'How long a check may take before its probe is killed and the check fails; 100ms or more, and below `checkInterval`.',
  ),
  shutdownTimeout: preset(
    durationText(1000, 'a duration of 1s or more, such as "30s"'),
    '30s',
    'How long open requests may take to finish after SIGTERM; 1s or more.',
  ),
  failureThreshold: preset(
    integerOrDefault(3, 'a whole number of 1 or more (0 and below: the default, 3)'),
    3,
    'Consecutive failures until a mount is unhealthy; 0 and below mean the default.',
  ),
  successThreshold: preset(
    integer(1, 'a whole number of 1 or more'),
    1,
    'Consecutive passes until a failed mount is healthy again.',
  ),
  httpPort: preset(
    v.pipe(
      v.number(portAllowed),
      v.integer(portAllowed),
      v.maxValue(65535, portAllowed),
      v.transform(portOrDefault),
    ),
    8080,
    'The port of the HTTP endpoints, 1 to 65535; 0 and below mean the default.',
  ),
  httpHost: preset(
    v.pipe(
      v.string(hostAllowed),
      v.regex(/^(\[?[0-9A-Fa-f:.]+(%[\w.-]+)?\]?|[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?)?$/, hostAllowed),
    ),
    '',
    'The address that the endpoints listen on; empty for all addresses, IPv4 and IPv6.',
  ),
  logLevel: preset(oneOf(logLevels), 'info', 'The lowest severity that is logged.'),
  logFormat: preset(oneOf(logFormats), 'json', 'One JSON object per line, or logfmt.'),
  canaryFile: preset(
    canaryFile,
    '.health-check',
    'The file, relative to each mount, that a `canary` check reads.',
  ),
  mounts: required(
    v.pipe(
      v.array(mountSchema, 'a list of at least one mount'),
      v.minLength(1, 'a list of at least one mount'),
    ),
    'The mounts to watch; at least one.',
  ),
  watchdog: preset(watchdogSchema, {}, 'Restarts the pod when a mount is unhealthy.'),
});

/** The parsed file: durations in milliseconds, defaults filled in. */
export type ConfigFile = v.InferOutput<typeof configSchema>;
