import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, inject, it } from 'vitest';
import { compiledVersion } from '../testing/compile.ts';
import { runMonitor, Scratch } from '../testing/monitor-process.ts';

const executable = inject('executable');
const scratch = new Scratch();
afterAll(() => scratch[Symbol.dispose]());

const mounts = [{ path: '/proc', checkType: 'mountpoint' }];
let files = 0;

function validate(content: unknown, args: readonly string[] = []) {
  files += 1;
  const text = typeof content === 'string' ? content : JSON.stringify(content);
  const path = scratch.write(`config-${files}.json`, text);
  return runMonitor(executable, ['--validate', '--config', path, ...args]);
}

describe('flags', () => {
  it.each([['--version'], ['-version']])('%s prints the version and exits 0', (flag) => {
    expect(runMonitor(executable, [flag])).toEqual({
      code: 0,
      stdout: `mount-monitor ${compiledVersion}\n`,
      stderr: '',
    });
  });

  it.each([['--help'], ['-h'], ['-help']])('%s exits 0 and prints the program and version first', (flag) => {
    const { code, stdout, stderr } = runMonitor(executable, [flag]);
    expect({ code, stderr, first: stdout.split('\n')[0] }).toEqual({
      code: 0,
      stderr: '',
      first: `mount-monitor ${compiledVersion}`,
    });
  });

  it.each([
    '--config',
    '--http-port',
    '--log-level',
    '--log-format',
    '--init-container-mode',
    '--validate',
    '--version',
    '--help',
  ])('--help describes %s', (flag) => {
    expect(runMonitor(executable, ['--help']).stdout).toContain(flag);
  });

  it.each([
    [['--bogus'], '--bogus'],
    [['-z'], '-z'],
    [['--config'], '--config'],
    [['--http-port'], '--http-port'],
    [['--http-port', 'many'], '--http-port'],
    [['--http-port=8080.5'], '--http-port'],
    [['--validate=perhaps'], '--validate'],
    [['--log-level'], '--log-level'],
  ])('%j exits 2 and names the flag on stderr', (args, name) => {
    const { code, stdout, stderr } = runMonitor(executable, args);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain(name);
  });

  it.each([
    [['--http-port', '65536'], '--http-port: found 65536'],
    [['--log-level', 'loud'], '--log-level: found "loud", allowed: one of "debug", "info", "warn", "error"'],
    [['--log-format', 'xml'], '--log-format: found "xml", allowed: one of "json", "text"'],
  ])('%j is rejected', (args, message) => {
    const { code, stderr } = validate({ mounts }, args);
    expect([1, 2]).toContain(code);
    expect(stderr).toContain(message);
  });

  it.each([
    [['--http-port', '1']],
    [['--http-port=65535']],
    [['--log-level=debug']],
    [['-log-format', 'text']],
  ])('%j is accepted', (args) => {
    expect(validate({ mounts }, args).code).toBe(0);
  });
});

type Case = readonly [title: string, config: unknown];
type BadCase = readonly [title: string, config: unknown, message: string];

describe('accepted configurations', () => {
  it.each<Case>([
    ['a minimal configuration', { mounts }],
    ['a $schema key', { $schema: './config.schema.json', mounts }],
    ['the minimum checkInterval and readTimeout', { checkInterval: '1s', readTimeout: '100ms', mounts }],
    [
      'durations in all of Go’s formats',
      { checkInterval: '1m30s', readTimeout: '1.5s', shutdownTimeout: '1h', mounts },
    ],
    ['the minimum shutdownTimeout', { shutdownTimeout: '1s', mounts }],
    ['failureThreshold 0 for the default', { failureThreshold: 0, mounts }],
    ['failureThreshold 1', { failureThreshold: 1, mounts }],
    ['successThreshold 5', { successThreshold: 5, mounts }],
    ['the lowest port', { httpPort: 1, mounts }],
    ['the highest port', { httpPort: 65_535, mounts }],
    ['an IPv4 host', { httpHost: '127.0.0.1', mounts }],
    ['an IPv6 host', { httpHost: '::1', mounts }],
    ['a bracketed IPv6 host', { httpHost: '[::1]', mounts }],
    ['a host name', { httpHost: 'localhost', mounts }],
    ['an empty host', { httpHost: '', mounts }],
    ...['debug', 'info', 'warn', 'error'].map(
      (logLevel) => [`logLevel ${logLevel}`, { logLevel, mounts }] as const,
    ),
    ...['json', 'text'].map((logFormat) => [`logFormat ${logFormat}`, { logFormat, mounts }] as const),
    ['a canary in a folder', { canaryFile: 'a/b', mounts }],
    ...['canary', 'directory', 'mountpoint'].map(
      (checkType) => [`checkType ${checkType}`, { mounts: [{ path: '/x', checkType }] }] as const,
    ),
    [
      'every key of a mount',
      {
        mounts: [
          {
            path: '/x',
            name: 'n',
            canaryFile: 'c',
            checkType: 'canary',
            failureThreshold: 0,
            canaryContent: 'ok',
          },
        ],
      },
    ],
    [
      'fsType and minEntries with their check types',
      {
        mounts: [
          { path: '/x', checkType: 'mountpoint', fsType: 'nfs4' },
          { path: '/y', checkType: 'directory', minEntries: 3 },
        ],
      },
    ],
    ['null in place of a missing key', { httpPort: null, watchdog: null, mounts }],
    [
      'every key of the watchdog',
      {
        mounts,
        watchdog: {
          enabled: false,
          restartDelay: '30s',
          maxRetries: 1,
          retryBackoffInitial: '1ms',
          retryBackoffMax: '1ms',
          mode: 'evict',
          budget: { restarts: 1, window: '1s' },
        },
      },
    ],
    [
      'nanoseconds in the watchdog',
      { mounts, watchdog: { restartDelay: 0, retryBackoffInitial: 1, retryBackoffMax: 10_000_000_000 } },
    ],
    ...['delete', 'evict', 'exit', 'notify'].map(
      (mode) => [`mode ${mode}`, { mounts, watchdog: { mode } }] as const,
    ),
    ['an empty budget', { mounts, watchdog: { budget: {} } }],
  ])('accepts %s', (_, config) => {
    expect(validate(config)).toMatchObject({ code: 0, stderr: '' });
  });

  it('prints the number of valid mounts on stdout', () => {
    expect(validate({ mounts }).stdout).toMatch(/valid, 1 mount\n$/);
  });
});

describe('rejected configurations', () => {
  it.each<BadCase>([
    ['no mounts', {}, 'mounts: found nothing, allowed: a list of at least one mount'],
    ['an empty list of mounts', { mounts: [] }, 'mounts: found [], allowed: a list of at least one mount'],
    ['mounts that are not a list', { mounts: {} }, 'mounts: found {}'],
    ['a mount that is not an object', { mounts: ['/x'] }, 'mounts[0]: found "/x", allowed: a JSON object'],
    ['a mount without path', { mounts: [{ name: 'n' }] }, 'mounts[0].path: found nothing'],
    ['an empty path', { mounts: [{ path: '' }] }, 'mounts[0].path: found ""'],
    ['a path of the wrong type', { mounts: [{ path: 5 }] }, 'mounts[0].path: found 5'],
    ['a name of the wrong type', { mounts: [{ path: '/x', name: 5 }] }, 'mounts[0].name: found 5'],
    [
      'a checkInterval below 1s',
      { checkInterval: '999ms', readTimeout: '100ms', mounts },
      'checkInterval: found "999ms"',
    ],
    ['a checkInterval of 0s', { checkInterval: '0s', mounts }, 'checkInterval: found "0s"'],
    ['a negative checkInterval', { checkInterval: '-5s', mounts }, 'checkInterval: found "-5s"'],
    ['a checkInterval without unit', { checkInterval: '30', mounts }, 'checkInterval: found "30"'],
    ['a checkInterval that is a number', { checkInterval: 30, mounts }, 'checkInterval: found 30'],
    ['a readTimeout below 100ms', { readTimeout: '99ms', mounts }, 'readTimeout: found "99ms"'],
    [
      'a readTimeout equal to the checkInterval',
      { checkInterval: '5s', mounts },
      'readTimeout: found "5s", allowed: a duration below checkInterval ("5s")',
    ],
    ['a readTimeout above the checkInterval', { readTimeout: '31s', mounts }, 'readTimeout: found "31s"'],
    ['a shutdownTimeout below 1s', { shutdownTimeout: '500ms', mounts }, 'shutdownTimeout: found "500ms"'],
    [
      'a failureThreshold that is too large',
      { failureThreshold: 1e30, mounts },
      'failureThreshold: found 1e+30',
    ],
    ['a fraction as failureThreshold', { failureThreshold: 1.5, mounts }, 'failureThreshold: found 1.5'],
    ['a string as failureThreshold', { failureThreshold: '3', mounts }, 'failureThreshold: found "3"'],
    ['a successThreshold of 0', { successThreshold: 0, mounts }, 'successThreshold: found 0'],
    ['port 65536', { httpPort: 65_536, mounts }, 'httpPort: found 65536'],
    ['a string as port', { httpPort: '8080', mounts }, 'httpPort: found "8080"'],
    ['an invalid host', { httpHost: 'a b', mounts }, 'httpHost: found "a b"'],
    ['an unknown logLevel', { logLevel: 'trace', mounts }, 'logLevel: found "trace"'],
    ['an unknown logFormat', { logFormat: 'xml', mounts }, 'logFormat: found "xml"'],
    ['a canary above the mount', { canaryFile: '../x', mounts }, 'canaryFile: found "../x"'],
    [
      'a mount’s canary above the mount',
      { mounts: [{ path: '/x', canaryFile: 'a/../../b' }] },
      'mounts[0].canaryFile',
    ],
    [
      'an unknown checkType',
      { mounts: [{ path: '/x', checkType: 'ping' }] },
      'mounts[0].checkType: found "ping"',
    ],
    [
      'a mount’s negative failureThreshold',
      { mounts: [{ path: '/x', failureThreshold: -1 }] },
      'mounts[0].failureThreshold: found -1',
    ],
    [
      'an empty fsType',
      { mounts: [{ path: '/x', checkType: 'mountpoint', fsType: '' }] },
      'mounts[0].fsType: found ""',
    ],
    ['a negative minEntries', { mounts: [{ path: '/x', minEntries: -1 }] }, 'mounts[0].minEntries: found -1'],
    [
      'a canaryContent of the wrong type',
      { mounts: [{ path: '/x', canaryContent: 1 }] },
      'mounts[0].canaryContent: found 1',
    ],
    [
      'a canaryContent that is too long',
      { mounts: [{ path: '/x', canaryContent: 'x'.repeat(4097) }] },
      'mounts[0].canaryContent',
    ],
    [
      'a watchdog that is not an object',
      { mounts, watchdog: true },
      'watchdog: found true, allowed: a JSON object',
    ],
    ['enabled as a string', { mounts, watchdog: { enabled: 'true' } }, 'watchdog.enabled: found "true"'],
    [
      'a negative restartDelay',
      { mounts, watchdog: { restartDelay: '-1s' } },
      'watchdog.restartDelay: found "-1s"',
    ],
    [
      'a fraction of a nanosecond',
      { mounts, watchdog: { restartDelay: 0.5 } },
      'watchdog.restartDelay: found 0.5',
    ],
    [
      'a retryBackoffInitial of 0s',
      { mounts, watchdog: { retryBackoffInitial: '0s' } },
      'watchdog.retryBackoffInitial: found "0s"',
    ],
    [
      'a retryBackoffMax below retryBackoffInitial',
      { mounts, watchdog: { retryBackoffInitial: '11s' } },
      'watchdog.retryBackoffMax: found "10s"',
    ],
    ['an unknown mode', { mounts, watchdog: { mode: 'restart' } }, 'watchdog.mode: found "restart"'],
    [
      'a budget of zero restarts',
      { mounts, watchdog: { budget: { restarts: 0 } } },
      'watchdog.budget.restarts: found 0',
    ],
    [
      'a budget window below 1s',
      { mounts, watchdog: { budget: { window: '1ms' } } },
      'watchdog.budget.window: found "1ms"',
    ],
    ['invalid JSON', '{"mounts": [', 'expected one JSON object'],
    ['an empty file', '', 'expected one JSON object'],
    ['a list', '[]', 'the file: found [], allowed: a JSON object'],
    [
      'an unknown key',
      { mounts, chekInterval: '30s' },
      'chekInterval: unknown key, did you mean "checkInterval"?',
    ],
    [
      'an unknown key of a mount',
      { mounts: [{ path: '/x', fstype: 'nfs' }] },
      'mounts[0].fstype: unknown key, read as "fsType"',
    ],
    [
      'an unknown key of the watchdog',
      { mounts, watchdog: { delay: '1s' } },
      'watchdog.delay: unknown key, did you mean "restartDelay"?',
    ],
  ])('rejects %s', (_, config, message) => {
    const { code, stdout, stderr } = validate(config);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(/^configuration error: /);
    expect(stderr).toContain(message);
  });

  it('reports all problems at once', () => {
    const { stderr } = validate({
      checkInterval: 'x',
      httpPort: 65_536,
      mounts: [{}],
      logLevel: 1,
      bogus: 1,
    });
    expect(stderr).toContain('5 problems');
    for (const key of ['checkInterval', 'httpPort', 'mounts[0].path', 'logLevel', 'bogus']) {
      expect(stderr).toContain(`  ${key}: `);
    }
  });

  it('rejects a file that does not exist', () => {
    const { code, stderr } = runMonitor(executable, ['--config', join(scratch.path, 'none.json')]);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^configuration error: .*none\.json.*ENOENT/);
  });

  it('rejects a folder in place of the file', () => {
    const { code, stderr } = runMonitor(executable, ['--config', scratch.path]);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^configuration error: /);
  });

  it('rejects a FIFO that nobody writes to', () => {
    const fifo = join(scratch.path, 'fifo.json');
    execFileSync('mkfifo', [fifo]);
    const { code, stderr } = runMonitor(executable, ['--config', fifo]);
    expect(code).toBe(1);
    expect(stderr).toContain('fifo.json: expected a regular file');
  });

  it('rejects a file above 1 MiB', () => {
    const { code, stderr } = validate(`${' '.repeat(1024 * 1024)}${JSON.stringify({ mounts })}`);
    expect(code).toBe(1);
    expect(stderr).toContain('at most 1048576 bytes');
  });

  it('reports a missing file if neither --config nor ./config.json is given', () => {
    mkdirSync(join(scratch.path, 'empty'), { recursive: true });
    const { code, stderr } = runMonitor(executable, [], { cwd: join(scratch.path, 'empty') });
    expect(code).toBe(1);
    expect(stderr).toMatch(/^configuration error: no mounts to watch: \.\/config\.json does not exist/);
  });
});

describe('configuration file', () => {
  it('defaults to ./config.json', () => {
    scratch.write('cwd/config.json', JSON.stringify({ mounts }));
    const { code, stdout } = runMonitor(executable, ['--validate'], { cwd: join(scratch.path, 'cwd') });
    expect({ code, stdout }).toEqual({ code: 0, stdout: './config.json: valid, 1 mount\n' });
  });

  it('warns about a file that every user may write', () => {
    const path = scratch.write('loose.json', JSON.stringify({ mounts }));
    chmodSync(path, 0o666);
    const { code, stderr } = runMonitor(executable, ['--validate', '-c', path]);
    expect(code).toBe(0);
    expect(stderr).toContain(`chmod o-w ${path}`);
  });

  it('accepts a file of exactly 1 MiB', () => {
    const text = JSON.stringify({ mounts });
    expect(validate(text + ' '.repeat(1024 * 1024 - text.length)).code).toBe(0);
  });
});

describe('init container mode', () => {
  it('exits 0 if every mount passes', () => {
    const path = scratch.write(
      'init-good.json',
      JSON.stringify({ mounts: [{ path: scratch.mount('good') }, ...mounts] }),
    );
    const { code, stderr } = runMonitor(executable, ['--init-container-mode', '-c', path]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  });

  it('exits 1 if a mount fails and reports which one and why on stderr', () => {
    const bad = join(scratch.path, 'not-there');
    const path = scratch.write(
      'init-bad.json',
      JSON.stringify({ mounts: [{ path: scratch.mount('good') }, { path: bad }] }),
    );
    const { code, stderr } = runMonitor(executable, ['--init-container-mode', '-c', path]);
    expect(code).toBe(1);
    const lines = stderr
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(lines[0]).toMatchObject({
      level: 'error',
      msg: 'mount check failed',
      path: bad,
      reason: 'missing',
    });
  });

  it('exits 1 if the configuration is invalid', () => {
    const path = scratch.write('init-broken.json', '{}');
    expect(runMonitor(executable, ['--init-container-mode', '-c', path]).code).toBe(1);
  });
});
