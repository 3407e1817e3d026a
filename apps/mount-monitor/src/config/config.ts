import { posix } from 'node:path';
import * as v from 'valibot';
import type { LogFormat, LogLevel } from '../log.ts';
import { ConfigError, listed } from './errors.ts';
import { parseJson, showValue } from './json.ts';
import { join, keepKnownKeys } from './keys.ts';
import { type CheckType, type ConfigFile, configSchema, requiredKeys } from './schema.ts';
import type { WatchdogConfig } from './watchdog-config.ts';

/** One mount's settings, including inherited ones. */
export interface MountConfig {
  /** Unique among the mounts: the name, or else the path, with a number appended if it is taken. */
  readonly id: string;
  readonly name: string | undefined;
  /** As written in the file. */
  readonly path: string;
  /** Absolute and without `.` and `..`; symbolic links are not followed. */
  readonly absolutePath: string;
  readonly checkType: CheckType;
  readonly canaryFile: string;
  readonly canaryContent: string | undefined;
  readonly minEntries: number;
  readonly fsType: string | undefined;
  readonly writable: boolean;
  readonly failureThreshold: number;
}

/** The monitor's settings: validated, complete, with times in milliseconds. */
export interface MonitorConfig {
  readonly checkIntervalMs: number;
  readonly readTimeoutMs: number;
  readonly shutdownTimeoutMs: number;
  readonly failureThreshold: number;
  readonly successThreshold: number;
  readonly httpPort: number;
  /** Undefined means all addresses. */
  readonly httpHost: string | undefined;
  readonly logLevel: LogLevel;
  readonly logFormat: LogFormat;
  /** The canary for mounts that do not set one. */
  readonly canaryFile: string;
  readonly mounts: readonly MountConfig[];
  readonly watchdog: WatchdogConfig;
}

/** Settings on the command line that override the file. */
export interface ConfigOverrides {
  readonly httpPort?: number | undefined;
  readonly logLevel?: string | undefined;
  readonly logFormat?: string | undefined;
}

/** A usable configuration, and warnings about its file. */
export interface ParsedConfig {
  readonly config: MonitorConfig;
  readonly warnings: readonly string[];
}

export interface ParseOptions {
  readonly overrides?: ConfigOverrides;
  /** The directory that relative mount paths start from; an absolute path. */
  readonly workingDirectory: string;
  /** Whether unknown keys are errors instead of warnings. */
  readonly strictKeys?: boolean;
  /**
   * Whether only the settings needed for a single pass over the mounts must be valid; the others only cause warnings.
   */
  readonly onePass?: boolean;
}

const flagNames: Readonly<Record<string, string>> = {
  httpPort: '--http-port',
  logLevel: '--log-level',
  logFormat: '--log-format',
};

/**
 * Parses and validates a file's text. Throws one {@link ConfigError} that lists every problem with its path in the
 * file, the value found and what is allowed.
 */
export function parseConfig(text: string, source: string, options: ParseOptions): ParsedConfig {
  const { content: given, unknown, lists } = keepKnownKeys(configSchema, parseJson(text, source));
  const { content, warnings: idle } =
    options.onePass === true ? withoutIdleKeys(given) : { content: given, warnings: [] };
  const overrides = Object.fromEntries(
    Object.entries(options.overrides ?? {}).filter(([, value]) => value !== undefined),
  );
  const input: unknown =
    typeof content === 'object' && content !== null && !Array.isArray(content)
      ? { ...content, ...overrides }
      : content;

  const parsed = v.safeParse(configSchema, input);
  const problems = [...lists].map(([path, list]) => problem(path || 'the file', list, 'a JSON object'));
  for (const issue of parsed.issues ?? []) {
    const path = pathOf(issue);
    if (!lists.has(path)) problems.push(describeIssue(issue, path, input, overrides));
  }
  if (options.onePass !== true) problems.push(...relationProblems(input));
  const unknownTexts = unknown.map(
    ({ path, nearest, used }) =>
      `${path}: unknown key${used ? `, read as "${nearest ?? ''}"` : nearest === undefined ? '' : `, did you mean "${nearest}"?`}`,
  );
  if (options.strictKeys === true) problems.push(...unknownTexts);
  if (!parsed.success || problems.length > 0) {
    const count = problems.length === 1 ? '1 problem' : `${problems.length} problems`;
    throw new ConfigError('invalid', `${source}: ${count}`, problems);
  }
  const config = complete(parsed.output, options.workingDirectory);
  const warnings = options.strictKeys === true ? [] : unknownTexts;
  return { config, warnings: listed([...idle, ...warnings, ...oddities(parsed.output, config)]) };
}

/** Keys that a single pass over the mounts does not use. */
const idleKeys = [
  'checkInterval',
  'shutdownTimeout',
  'httpPort',
  'httpHost',
  'watchdog',
  'successThreshold',
] as const;

/** Removes invalid values of unused keys, because the Go program's init mode does not look at them. */
function withoutIdleKeys(content: unknown): {
  readonly content: unknown;
  readonly warnings: readonly string[];
} {
  if (typeof content !== 'object' || content === null) return { content, warnings: [] };
  const kept: Record<string, unknown> = { ...content };
  const warnings: string[] = [];
  for (const key of idleKeys) {
    if (kept[key] === undefined || v.safeParse(configSchema.entries[key], kept[key]).success) continue;
    warnings.push(`${key}: found ${showValue(kept[key])}, which has no effect in init container mode`);
    delete kept[key];
  }
  return { content: kept, warnings };
}

type Issue = v.InferIssue<typeof configSchema>;

function keysOf(issue: Issue): readonly (string | number)[] {
  return (issue.path ?? []).map(({ key }) => key as string | number);
}

/** The issue's path in the file: `mounts[0].path`. */
function pathOf(issue: Issue): string {
  return keysOf(issue).reduce<string>(
    (whole, key) => (typeof key === 'number' ? `${whole}[${key}]` : join(whole, key)),
    '',
  );
}

function describeIssue(
  issue: Issue,
  path: string,
  input: unknown,
  overrides: Readonly<Record<string, unknown>>,
): string {
  const keys = keysOf(issue);
  const flag = Object.hasOwn(overrides, path) ? flagNames[path] : undefined;
  const found = valueAt(input, keys);
  const required = found === undefined ? requiredKeys[String(keys.at(-1))] : undefined;
  const allowed = required ?? (issue.type === 'object' ? 'a JSON object' : issue.message);
  return problem(flag ?? (path === '' ? 'the file' : path), found, allowed);
}

function problem(path: string, found: unknown, allowed: string): string {
  return `${path}: found ${showValue(found)}, allowed: ${allowed}`;
}

function valueAt(value: unknown, keys: readonly (string | number)[]): unknown {
  let current = value;
  for (const key of keys) {
    if (typeof current !== 'object' || current === null) return undefined;
    current = (current as Readonly<Record<string | number, unknown>>)[key];
  }
  return current;
}

/** Checks constraints between two keys, even if other keys are invalid. */
function relationProblems(input: unknown): readonly string[] {
  const { entries } = configSchema;
  const watchdog = entries.watchdog.wrapped.entries;
  const found: string[] = [];
  const read = (schema: v.GenericSchema, keys: readonly string[]): number | undefined => {
    const result = v.safeParse(schema, valueAt(input, keys));
    return result.success && typeof result.output === 'number' ? result.output : undefined;
  };
  const timeout = read(entries.readTimeout, ['readTimeout']);
  const interval = read(entries.checkInterval, ['checkInterval']);
  if (timeout !== undefined && interval !== undefined && timeout >= interval) {
    const given = valueAt(input, ['readTimeout']) ?? entries.readTimeout.default;
    const limit = valueAt(input, ['checkInterval']) ?? entries.checkInterval.default;
    found.push(problem('readTimeout', given, `a duration below checkInterval (${JSON.stringify(limit)})`));
  }
  const first = read(watchdog.retryBackoffInitial, ['watchdog', 'retryBackoffInitial']);
  const longest = read(watchdog.retryBackoffMax, ['watchdog', 'retryBackoffMax']);
  if (first !== undefined && longest !== undefined && longest < first) {
    const given = valueAt(input, ['watchdog', 'retryBackoffMax']) ?? watchdog.retryBackoffMax.default;
    const limit = valueAt(input, ['watchdog', 'retryBackoffInitial']) ?? watchdog.retryBackoffInitial.default;
    found.push(
      problem(
        'watchdog.retryBackoffMax',
        given,
        `a duration not below retryBackoffInitial (${JSON.stringify(limit)})`,
      ),
    );
  }
  return found;
}

function complete(file: ConfigFile, workingDirectory: string): MonitorConfig {
  const { watchdog } = file;
  const ids = new Ids();
  return {
    checkIntervalMs: file.checkInterval,
    readTimeoutMs: file.readTimeout,
    shutdownTimeoutMs: file.shutdownTimeout,
    failureThreshold: file.failureThreshold,
    successThreshold: file.successThreshold,
    httpPort: file.httpPort,
    httpHost: file.httpHost === '' ? undefined : file.httpHost.replace(/^\[|\]$/g, ''),
    logLevel: file.logLevel,
    logFormat: file.logFormat,
    canaryFile: trimSlash(file.canaryFile),
    mounts: file.mounts.map((mount) => ({
      id: ids.unique(mount.name === undefined || mount.name === '' ? mount.path : mount.name),
      name: mount.name === '' ? undefined : mount.name,
      path: mount.path,
      absolutePath: trimSlash(posix.resolve(workingDirectory, mount.path)),
      checkType: mount.checkType,
      canaryFile: trimSlash(mount.canaryFile ?? file.canaryFile),
      canaryContent: mount.canaryContent,
      minEntries: mount.minEntries,
      fsType: mount.fsType,
      writable: mount.writable,
      failureThreshold: mount.failureThreshold === 0 ? file.failureThreshold : mount.failureThreshold,
    })),
    watchdog: {
      enabled: watchdog.enabled,
      restartDelayMs: watchdog.restartDelay,
      maxRetries: watchdog.maxRetries,
      retryBackoffInitialMs: watchdog.retryBackoffInitial,
      retryBackoffMaxMs: watchdog.retryBackoffMax,
      mode: watchdog.mode,
      budget:
        watchdog.budget === undefined
          ? undefined
          : { restarts: watchdog.budget.restarts, windowMs: watchdog.budget.window },
    },
  };
}

function trimSlash(path: string): string {
  return path.length > 1 ? path.replace(/\/+$/, '') : path;
}

/** Gives each mount a unique ID: the wanted one, or that one with a number appended. */
class Ids {
  readonly #taken = new Set<string>();
  readonly #next = new Map<string, number>();

  unique(wanted: string): string {
    let id = wanted;
    for (let number = this.#next.get(wanted) ?? 2; this.#taken.has(id); number += 1) {
      id = `${wanted} #${number}`;
      // Continues from the last number, so that thousands of equal names take only one step each.
      this.#next.set(wanted, number + 1);
    }
    this.#taken.add(id);
    return id;
  }
}

/** Warns about settings that have no effect, and about the same mount given twice. */
function oddities(file: ConfigFile, config: MonitorConfig): readonly string[] {
  const found: string[] = [];
  const firstAt = new Map<string, number>();
  for (const [index, mount] of file.mounts.entries()) {
    const at = `mounts[${index}]`;
    const idle = (key: string, set: boolean, needed: CheckType): void => {
      if (set && mount.checkType !== needed) {
        found.push(`${at}.${key}: has no effect with checkType "${mount.checkType}", only with "${needed}"`);
      }
    };
    idle('canaryContent', mount.canaryContent !== undefined, 'canary');
    idle('minEntries', mount.minEntries > 0, 'directory');
    idle('fsType', mount.fsType !== undefined, 'mountpoint');
    if (mount.writable && mount.checkType === 'mountpoint') {
      found.push(`${at}.writable: has no effect with checkType "mountpoint", which never touches the mount`);
    }
    // A check of another type on the same path can detect other failures, so that is not a mistake.
    const path = config.mounts[index]?.absolutePath ?? mount.path;
    const key = `${mount.checkType} ${path}`;
    const first = firstAt.get(key);
    if (first === undefined) firstAt.set(key, index);
    else found.push(`${at}.path: ${JSON.stringify(mount.path)} is also the path of mounts[${first}]`);
  }
  return found;
}
