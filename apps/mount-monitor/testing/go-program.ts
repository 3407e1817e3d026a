/**
 * The observed behavior of cscheib/debrid-mount-monitor at 5f455ae for every row, and this program's behavior. If the
 * two differ, `see` is the exact text in docs/migration.md.
 */
export type Outcome = 'accepted' | 'refused' | 'usage' | 'help';

export interface ConfigRow {
  readonly title: string;
  /** A string is the file's text; anything else is written as JSON, with a healthy mount unless it has `mounts`. */
  readonly config: unknown;
  readonly go: Outcome;
  readonly ours: Outcome;
  readonly see?: string;
  /** Whether the file is used instead of validated; validation is stricter with unknown keys. */
  readonly used?: boolean;
}

const zero = 'A **zero or negative** duration';
const whole = '`3.0` and `1e2` are whole numbers';
const both = (outcome: Outcome) => ({ go: outcome, ours: outcome }) as const;
const accepted = both('accepted');
const refused = both('refused');
const path = '/mnt/a';

export const configRows: readonly ConfigRow[] = [
  { title: 'no keys but mounts', config: {}, ...accepted },
  { title: 'the shortest interval', config: { checkInterval: '1s', readTimeout: '100ms' }, ...accepted },
  { title: 'a duration with two units', config: { checkInterval: '1m30s' }, ...accepted },
  { title: 'a number as duration', config: { checkInterval: 30 }, ...refused },
  { title: 'a duration without a unit', config: { checkInterval: '30' }, ...refused },
  { title: 'an empty duration', config: { checkInterval: '' }, ...refused },
  {
    title: 'a null duration',
    config: { checkInterval: null },
    go: 'refused',
    ours: 'accepted',
    see: '`null` for a duration',
  },
  { title: 'an interval below 1s', config: { checkInterval: '999ms', readTimeout: '100ms' }, ...refused },
  {
    title: 'an interval of zero',
    config: { checkInterval: '0s' },
    go: 'accepted',
    ours: 'refused',
    see: zero,
  },
  {
    title: 'a negative interval',
    config: { checkInterval: '-5s' },
    go: 'accepted',
    ours: 'refused',
    see: zero,
  },
  { title: 'a timeout of zero', config: { readTimeout: '0s' }, go: 'accepted', ours: 'refused', see: zero },
  { title: 'a timeout that is too short', config: { readTimeout: '99ms' }, ...refused },
  { title: 'equal timeout and interval', config: { checkInterval: '5s', readTimeout: '5s' }, ...refused },
  { title: 'a shutdown timeout that is too short', config: { shutdownTimeout: '500ms' }, ...refused },
  { title: 'failureThreshold -1', config: { failureThreshold: -1 }, ...accepted },
  { title: 'failureThreshold 0', config: { failureThreshold: 0 }, ...accepted },
  { title: 'failureThreshold 1.5', config: { failureThreshold: 1.5 }, ...refused },
  { title: 'failureThreshold as a string', config: { failureThreshold: '3' }, ...refused },
  {
    title: 'failureThreshold 3.0',
    config: `{"failureThreshold":3.0,"mounts":[{"path":"${path}"}]}`,
    go: 'refused',
    ours: 'accepted',
    see: whole,
  },
  {
    title: 'failureThreshold 1e2',
    config: `{"failureThreshold":1e2,"mounts":[{"path":"${path}"}]}`,
    go: 'refused',
    ours: 'accepted',
    see: whole,
  },
  { title: 'failureThreshold 1e30', config: { failureThreshold: 1e30 }, ...refused },
  { title: 'httpPort 0', config: { httpPort: 0 }, ...accepted },
  { title: 'httpPort -1', config: { httpPort: -1 }, ...accepted },
  { title: 'httpPort 65536', config: { httpPort: 65_536 }, ...refused },
  { title: 'httpPort as a string', config: { httpPort: '8080' }, ...refused },
  { title: 'an empty logLevel', config: { logLevel: '' }, ...accepted },
  { title: 'an unknown logLevel', config: { logLevel: 'trace' }, ...refused },
  { title: 'an uppercase logLevel', config: { logLevel: 'INFO' }, ...refused },
  { title: 'an empty logFormat', config: { logFormat: '' }, ...accepted },
  { title: 'an unknown logFormat', config: { logFormat: 'xml' }, ...refused },
  { title: 'an empty canaryFile', config: { canaryFile: '' }, ...accepted },
  { title: 'a canaryFile with a trailing slash', config: { canaryFile: 'x/' }, ...accepted },
  { title: 'an absolute canaryFile', config: { canaryFile: '/x' }, ...accepted },
  {
    title: 'a canaryFile above the mount',
    config: { canaryFile: '../x' },
    go: 'accepted',
    ours: 'refused',
    see: 'A **canary outside its mount**',
  },
  { title: 'no mounts', config: { mounts: [] }, ...refused },
  { title: 'mounts as an object', config: { mounts: {} }, ...refused },
  { title: 'a mount without a path', config: { mounts: [{ name: 'n' }] }, ...refused },
  { title: 'an empty path', config: { mounts: [{ path: '' }] }, ...refused },
  { title: 'a name that is a number', config: { mounts: [{ path, name: 5 }] }, ...refused },
  { title: 'an empty name', config: { mounts: [{ path, name: '' }] }, ...accepted },
  { title: 'two mounts with the same path', config: { mounts: [{ path }, { path }] }, ...accepted },
  { title: 'an empty checkType', config: { mounts: [{ path, checkType: '' }] }, ...accepted },
  { title: 'checkType directory', config: { mounts: [{ path, checkType: 'directory' }] }, ...accepted },
  {
    title: 'checkType mountpoint',
    config: { mounts: [{ path, checkType: 'mountpoint' }] },
    go: 'refused',
    ours: 'accepted',
    see: 'also `mountpoint`',
  },
  { title: 'an unknown checkType', config: { mounts: [{ path, checkType: 'ping' }] }, ...refused },
  {
    title: 'a mount’s failureThreshold -1',
    config: { mounts: [{ path, failureThreshold: -1 }] },
    ...refused,
  },
  { title: 'a mount’s failureThreshold 0', config: { mounts: [{ path, failureThreshold: 0 }] }, ...accepted },
  { title: 'an unknown key', config: { failureTreshold: 3 }, ...accepted, used: true },
  { title: 'a key in a different case', config: { CHECKINTERVAL: '30s' }, ...accepted, used: true },
  { title: 'the old key debounceThreshold', config: { debounceThreshold: 3 }, ...accepted, used: true },
  {
    title: 'a duplicate key',
    config: `{"httpPort":1,"httpPort":8080,"mounts":[{"path":"${path}"}]}`,
    ...accepted,
  },
  { title: 'text after the object', config: '{"mounts":[]} x', ...refused },
  { title: 'an empty file', config: '', ...refused },
  { title: 'a list', config: '[]', ...refused },
  { title: 'a byte order mark', config: `\uFEFF{"mounts":[{"path":"${path}"}]}`, ...refused },
  { title: 'a file of 1 MiB', config: `{"mounts":[{"path":"${path}"}]}`.padEnd(1024 * 1024), ...accepted },
  {
    title: 'a file above 1 MiB',
    config: `{"mounts":[{"path":"${path}"}]}`.padEnd(1024 * 1024 + 1),
    ...refused,
  },
  { title: 'a null watchdog', config: { watchdog: null }, ...accepted },
  {
    title: 'the watchdog’s durations as strings',
    config: { watchdog: { restartDelay: '30s', retryBackoffMax: '1m' } },
    ...accepted,
  },
  {
    title: 'an integer as watchdog duration',
    config: { watchdog: { restartDelay: 30_000_000_000 } },
    go: 'refused',
    ours: 'accepted',
    see: 'whole nanoseconds',
  },
  {
    title: 'a negative restartDelay',
    config: { watchdog: { restartDelay: '-1s' } },
    go: 'accepted',
    ours: 'refused',
    see: zero,
  },
  {
    title: 'an initial backoff of zero',
    config: { watchdog: { retryBackoffInitial: '0s' } },
    go: 'accepted',
    ours: 'refused',
    see: zero,
  },
  {
    title: 'a maximum backoff below the initial one',
    config: { watchdog: { retryBackoffInitial: '5s', retryBackoffMax: '1s' } },
    ...refused,
  },
  { title: 'maxRetries 0', config: { watchdog: { maxRetries: 0 } }, ...accepted },
  { title: 'enabled as a string', config: { watchdog: { enabled: 'true' } }, ...refused },
];

/** In init container mode, with a healthy mount. */
export const initRows: readonly ConfigRow[] = [
  { title: 'any interval', config: { checkInterval: '1ms' }, ...accepted },
  { title: 'a timeout above the interval', config: { readTimeout: '40s' }, ...accepted },
  { title: 'any shutdown timeout', config: { shutdownTimeout: '1ms' }, ...accepted },
  { title: 'any port', config: { httpPort: 99_999 }, ...accepted },
  { title: 'any backoff', config: { watchdog: { retryBackoffMax: '1ms' } }, ...accepted },
  { title: 'a timeout that is too short', config: { readTimeout: '1ms' }, ...refused },
  { title: 'an unknown logLevel', config: { logLevel: 'trace' }, ...refused },
  { title: 'no mounts', config: { mounts: [] }, ...refused },
];

export interface FlagRow {
  readonly flags: readonly string[];
  readonly go: Outcome;
  readonly ours: Outcome;
  readonly see?: string;
}

/** With a valid ./config.json. */
export const flagRows: readonly FlagRow[] = [
  { flags: ['--config='], ...accepted },
  { flags: ['--log-level='], ...accepted },
  { flags: ['--log-format='], ...accepted },
  { flags: ['--http-port=0'], ...accepted },
  { flags: ['--http-port=-1'], ...accepted },
  { flags: ['--http-port', '-1'], ...accepted },
  { flags: ['--http-port=0x1F90'], ...accepted },
  { flags: ['--http-port=65536'], ...refused },
  { flags: ['--http-port=abc'], ...both('usage') },
  { flags: ['--http-port=09'], ...both('usage') },
  { flags: ['--log-level=loud'], ...refused },
  { flags: ['--log-format=xml'], ...refused },
  { flags: ['word'], ...accepted },
  { flags: ['-'], ...accepted },
  { flags: ['--bogus'], ...both('usage') },
  { flags: ['-x'], ...both('usage') },
  { flags: ['--mount-paths=/a'], ...both('usage') },
  { flags: ['--help'], ...both('help') },
  { flags: ['-h'], ...both('help') },
  { flags: ['-http-port', '8080'], go: 'help', ours: 'accepted', see: 'long flags may have **one dash**' },
];

export interface RequestRow {
  readonly method: string;
  readonly target: string;
  readonly go: number;
  readonly ours: number;
  readonly see?: string;
}

const more = 'also `/healthz/self`, `/metrics`, a status page at `/`; GET and HEAD';
const same = (method: string, target: string, status: number): RequestRow => ({
  method,
  target,
  go: status,
  ours: status,
});
const other = (method: string, target: string, go: number, ours: number): RequestRow => ({
  method,
  target,
  go,
  ours,
  see: more,
});

/** While every mount is healthy. */
export const requestRows: readonly RequestRow[] = [
  same('GET', '/healthz/live', 200),
  same('GET', '/healthz/ready', 200),
  same('GET', '/healthz/status', 200),
  same('GET', '/version', 200),
  same('GET', '/healthz/live?a=b', 200),
  same('GET', '/healthz/%6Cive', 200),
  same('GET', '//healthz/live', 301),
  same('GET', '/healthz/../healthz/live', 301),
  same('GET', '/healthz/live/', 404),
  same('GET', '/nope', 404),
  same('POST', '/healthz/live', 405),
  same('OPTIONS', '/healthz/ready', 405),
  other('HEAD', '/healthz/live', 405, 200),
  other('GET', '/', 404, 200),
  other('GET', '/metrics', 404, 200),
  other('GET', '/healthz/self', 404, 200),
];

/** Messages that are in both logs, each with the Go program's fields, which this log has as well. */
export const sharedMessages: Readonly<Record<string, readonly string[]>> = {
  'configuration loaded': ['source', 'mounts'],
  'starting mount monitor': [
    'version',
    'check_interval',
    'read_timeout',
    'shutdown_timeout',
    'failure_threshold',
    'http_port',
    'log_level',
    'log_format',
    'canary_file',
    'watchdog_enabled',
    'watchdog_restart_delay',
  ],
  'mount registered': ['name', 'path', 'check_type', 'failureThreshold', 'canary'],
  'watchdog disabled by configuration': [],
  'http server started': ['port'],
  'health check passed': ['path', 'success', 'duration', 'status', 'name'],
  'health check failed': ['path', 'success', 'duration', 'status', 'name', 'error'],
  'mount state changed': ['path', 'previous_state', 'new_state', 'trigger', 'name'],
  'probe request': ['endpoint', 'status', 'result'],
  'received shutdown signal': ['signal'],
  'monitor shutting down': [],
  'shutdown complete': [],
};

/** The shared messages of init container mode. */
export const sharedInitMessages: Readonly<Record<string, readonly string[]>> = {
  'running in init-container mode': ['version', 'mounts'],
  'mount check passed': ['name', 'path', 'duration'],
  'mount check failed': ['name', 'path', 'error', 'duration'],
  'one or more mount checks failed': ['count'],
};

/** The Go program's messages that are worded differently here. */
export const renamedMessages: Readonly<Record<string, string>> = {
  'watchdog enabled but pod identity not configured': 'watchdog disarmed',
  'watchdog disabled': 'watchdog disarmed',
  'watchdog restart aborted due to shutdown': 'watchdog restart dropped',
  'pod already terminating, skipping deletion': 'watchdog stopped',
  'watchdog restart triggered': 'watchdog restarts the pod',
  'failed to create kubernetes event': 'watchdog: the Event could not be created',
  'pod deletion initiated': 'watchdog: the API server accepted the restart',
  'pod deletion failed, retrying': 'watchdog restart failed',
  'pod deletion failed with permanent error': 'watchdog restart refused',
  'pod deletion failed after all retries, exiting for container restart':
    'watchdog gave up deleting the pod: exiting so that the container restarts',
  'failed to start HTTP server': 'http server failed to start',
};
