import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type ParseOptions, parseConfig } from './config.ts';
import { ConfigError } from './errors.ts';

const options: ParseOptions = { workingDirectory: '/work-dir' };

function parse(content: unknown, more: Partial<ParseOptions> = {}) {
  return parseConfig(JSON.stringify(content), 'c.json', { ...options, ...more });
}

function problemsOf(content: unknown, more: Partial<ParseOptions> = {}): readonly string[] {
  try {
    parse(content, more);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

const mounts = [{ path: '/mnt/a' }];

describe('parseConfig', () => {
  it('parseConfig fills in every default value', () => {
    expect(parse({ mounts }).config).toEqual({
      checkIntervalMs: 30_000,
      readTimeoutMs: 5000,
      shutdownTimeoutMs: 30_000,
      failureThreshold: 3,
      successThreshold: 1,
      httpPort: 8080,
      httpHost: undefined,
      logLevel: 'info',
      logFormat: 'json',
      canaryFile: '.health-check',
      mounts: [
        {
          id: '/mnt/a',
          name: undefined,
          path: '/mnt/a',
          absolutePath: '/mnt/a',
          checkType: 'canary',
          canaryFile: '.health-check',
          canaryContent: undefined,
          minEntries: 0,
          fsType: undefined,
          writable: false,
          failureThreshold: 3,
        },
      ],
      watchdog: {
        enabled: false,
        restartDelayMs: 0,
        maxRetries: 3,
        retryBackoffInitialMs: 100,
        retryBackoffMaxMs: 10_000,
        mode: 'delete',
        budget: undefined,
      },
    });
  });

  it('the watchdog’s durations are nanoseconds if they are numbers', () => {
    const { watchdog } = parse({
      mounts,
      watchdog: { restartDelay: 30_000_000_000, retryBackoffInitial: 1_000_000, retryBackoffMax: '2s' },
    }).config;
    expect(watchdog).toMatchObject({
      restartDelayMs: 30_000,
      retryBackoffInitialMs: 1,
      retryBackoffMaxMs: 2000,
    });
  });

  it('all keys of a budget are optional', () => {
    const budget = (given: unknown) => parse({ mounts, watchdog: { budget: given } }).config.watchdog.budget;
    expect(budget({})).toEqual({ restarts: 5, windowMs: 3_600_000 });
    expect(budget({ restarts: 2, window: '10m' })).toEqual({ restarts: 2, windowMs: 600_000 });
  });

  it('the global canary and threshold apply to mounts that have none', () => {
    const { config } = parse({
      canaryFile: 'ok',
      failureThreshold: 7,
      mounts: [
        { path: 'a' },
        { path: 'b', canaryFile: 'mine', failureThreshold: 2 },
        { path: 'c', failureThreshold: 0 },
      ],
    });
    expect(config.mounts.map(({ canaryFile, failureThreshold }) => [canaryFile, failureThreshold])).toEqual([
      ['ok', 7],
      ['mine', 2],
      ['ok', 7],
    ]);
  });

  it.each([
    ['mnt/a/', '/work-dir/mnt/a'],
    ['../x', '/x'],
    ['/mnt//a/./b/../c', '/mnt/a/c'],
    ['/', '/'],
  ])('parseConfig turns the path %s into the absolute path %s', (path, absolutePath) => {
    expect(parse({ mounts: [{ path }] }).config.mounts[0]).toMatchObject({ path, absolutePath });
  });

  it('mounts with the same name get different IDs', () => {
    const { config, warnings } = parse({
      mounts: [{ path: '/a', name: 'x' }, { path: '/a', name: 'x' }, { path: '/b' }],
    });
    expect(config.mounts.map(({ id }) => id)).toEqual(['x', 'x #2', '/b']);
    expect(warnings).toEqual(['mounts[1].path: "/a" is also the path of mounts[0]']);
  });

  it('parseConfig reports all problems at once, each with its path, its value and what is allowed', () => {
    expect(
      problemsOf({
        checkInterval: '999ms',
        readTimeout: 5,
        failureThreshold: 1e30,
        httpPort: 65_536,
        logLevel: 'trace',
        mounts: [{}, { path: '', failureThreshold: 1.5 }, 'x'],
        watchdog: { enabled: 'yes', budget: { window: '1' } },
      }),
    ).toEqual([
      'checkInterval: found "999ms", allowed: a duration of 1s or more, such as "30s"',
      'readTimeout: found 5, allowed: a duration of 100ms or more and below checkInterval, such as "5s"',
      'failureThreshold: found 1e+30, allowed: a whole number of 1 or more (0 and below: the default, 3), and at most 9007199254740991',
      'httpPort: found 65536, allowed: a whole number from 1 to 65535',
      'logLevel: found "trace", allowed: one of "debug", "info", "warn", "error"',
      'mounts[0].path: found nothing, allowed: a path that is not empty',
      'mounts[1].path: found "", allowed: a path that is not empty',
      'mounts[1].failureThreshold: found 1.5, allowed: a whole number of 0 or more (0: the global one)',
      'mounts[2]: found "x", allowed: a JSON object',
      'watchdog.enabled: found "yes", allowed: true or false',
      'watchdog.budget.window: found "1", allowed: a duration of 1s or more, such as "1h"',
    ]);
  });

  it.each([
    [
      'a timeout equal to the interval',
      { checkInterval: '5s', readTimeout: '5s' },
      'readTimeout: found "5s", allowed: a duration below checkInterval ("5s")',
    ],
    [
      'an interval below the default timeout',
      { checkInterval: '3s' },
      'readTimeout: found "5s", allowed: a duration below checkInterval ("3s")',
    ],
    [
      'a maximum backoff below the initial one',
      { watchdog: { retryBackoffInitial: '20s' } },
      'watchdog.retryBackoffMax: found "10s", allowed: a duration not below retryBackoffInitial ("20s")',
    ],
  ])('parseConfig rejects %s', (_, content, problem) => {
    expect(problemsOf({ mounts, ...content })).toEqual([problem]);
  });

  it.each([
    ['a list', '[]'],
    ['a number', '5'],
    ['null', 'null'],
    ['a string', '"x"'],
  ])('parseConfig rejects %s in place of an object', (_, text) => {
    expect(() => parseConfig(text, 'c.json', options)).toThrow(ConfigError);
  });

  it('a list in place of an object is rejected with its location', () => {
    expect(problemsOf([])).toContain('the file: found [], allowed: a JSON object');
    expect(problemsOf({ mounts: [[1]], watchdog: [], httpPort: 65_536 })).toEqual([
      'mounts[0]: found [1], allowed: a JSON object',
      'watchdog: found [], allowed: a JSON object',
      'httpPort: found 65536, allowed: a whole number from 1 to 65535',
    ]);
  });

  it('the error for invalid JSON names the file', () => {
    expect(() => parseConfig('{"mounts":', 'c.json', options)).toThrow(
      /^c\.json: expected one JSON object, found invalid JSON/,
    );
  });

  it('unknown keys cause a warning that suggests the nearest known one', () => {
    const { warnings } = parse({
      $schema: 'x',
      mounts: [{ path: '/a', cannaryFile: 'x' }],
      chekInterval: '1s',
      zzzzzzzzzzzz: 1,
    });
    expect(warnings).toEqual([
      'mounts[0].cannaryFile: unknown key, did you mean "canaryFile"?',
      'chekInterval: unknown key, did you mean "checkInterval"?',
      'zzzzzzzzzzzz: unknown key',
    ]);
  });

  it('a key that differs only in case is used, with a warning', () => {
    const { config, warnings } = parse({ Mounts: [{ Path: '/a' }], HTTPPort: 9000 });
    expect(config.httpPort).toBe(9000);
    expect(warnings).toContain('HTTPPort: unknown key, read as "httpPort"');
  });

  it('an exact key is preferred to one that differs in case', () => {
    expect(parse({ mounts, HTTPPort: 1, httpPort: 2 }).config.httpPort).toBe(2);
  });

  it('unknown keys are errors in strict mode', () => {
    expect(problemsOf({ mounts, bogus: 1 }, { strictKeys: true })).toEqual(['bogus: unknown key']);
  });

  it('null, and an empty string where Go does so, count as a missing key', () => {
    const { config } = parse({
      mounts,
      httpPort: null,
      watchdog: null,
      logLevel: '',
      logFormat: '',
      canaryFile: '',
    });
    expect(config).toMatchObject({ httpPort: 8080, logLevel: 'info', logFormat: 'json' });
    expect(config.mounts[0]?.canaryFile).toBe('.health-check');
  });

  it('flags override the file, and are named if their value is rejected', () => {
    expect(
      parse({ mounts, httpPort: 1 }, { overrides: { httpPort: 2, logLevel: undefined } }).config.httpPort,
    ).toBe(2);
    expect(problemsOf({ mounts }, { overrides: { httpPort: 65_536, logFormat: 'xml' } })).toEqual([
      '--http-port: found 65536, allowed: a whole number from 1 to 65535',
      '--log-format: found "xml", allowed: one of "json", "text"',
    ]);
  });

  it('settings that have no effect with the check type cause a warning', () => {
    expect(parse({ mounts: [{ path: '/a', fsType: 'nfs', minEntries: 1 }] }).warnings).toEqual([
      'mounts[0].minEntries: has no effect with checkType "canary", only with "directory"',
      'mounts[0].fsType: has no effect with checkType "canary", only with "mountpoint"',
    ]);
  });

  it('a trailing slash of the canary file is ignored', () => {
    expect(parse({ mounts, canaryFile: 'a/' }).config.mounts[0]?.canaryFile).toBe('a');
  });

  it.each([
    ['failureThreshold', 3],
    ['httpPort', 8080],
  ] as const)('0 and below mean the default for %s', (key, value) => {
    for (const given of [0, -1]) expect(parse({ mounts, [key]: given }).config[key]).toBe(value);
  });

  it('an empty checkType means the default', () => {
    expect(parse({ mounts: [{ path: '/a', checkType: '' }] }).config.mounts[0]?.checkType).toBe('canary');
  });

  it('a single pass checks only the keys that it uses and warns about the others', () => {
    const content = {
      readTimeout: '40s',
      checkInterval: '1ms',
      shutdownTimeout: '0s',
      httpPort: 99_999,
      watchdog: { retryBackoffMax: '1ms' },
      mounts,
    };
    const { config, warnings } = parse(content, { onePass: true });
    expect(config.readTimeoutMs).toBe(40_000);
    expect(warnings).toEqual([
      'checkInterval: found "1ms", which has no effect in init container mode',
      'shutdownTimeout: found "0s", which has no effect in init container mode',
      'httpPort: found 99999, which has no effect in init container mode',
    ]);
    expect(problemsOf({ ...content, readTimeout: '1ms' }, { onePass: true })).toHaveLength(1);
  });

  it('JSON that is nested too deeply is rejected', () => {
    for (const text of ['['.repeat(500_000), `{"mounts":${'['.repeat(200)}${']'.repeat(200)}}`]) {
      expect(() => parseConfig(text, 'c.json', options)).toThrow('nested more than 100 levels deep');
    }
  });

  it('an error lists a hundred problems and the number of further ones', () => {
    try {
      parse({ mounts: Array.from({ length: 1000 }, () => ({})) });
      expect.unreachable();
    } catch (error) {
      const lines = String(error).split('\n');
      expect(lines).toHaveLength(102);
      expect(lines.at(-1)).toBe('  and 900 more');
    }
  });

  it.each(['a', 'a/b', './a', 'a/../b', '/a', '.hidden', '..a'])('a canary may be %s', (canaryFile) => {
    expect(problemsOf({ mounts, canaryFile })).toEqual([]);
  });

  it.each(['..', '../a', 'a/../../b', '.', '/', 'a/..', 'a/.', 'a\0b'])(
    'parseConfig rejects the canary %j',
    (canaryFile) => {
      expect(problemsOf({ mounts, canaryFile })).toHaveLength(1);
    },
  );

  it('an error shortens a long value', () => {
    const [problem = ''] = problemsOf({ mounts, logLevel: 'x'.repeat(10_000) });
    expect(problem.length).toBeLessThan(250);
  });

  it('parseConfig throws a ConfigError or returns a usable configuration for any JSON', () => {
    fc.assert(
      fc.property(
        fc.record({ mounts: fc.jsonValue(), checkInterval: fc.jsonValue(), watchdog: fc.jsonValue() }),
        (content) => {
          try {
            expect(parse(content).config.mounts.length).toBeGreaterThan(0);
          } catch (error) {
            expect(error).toBeInstanceOf(ConfigError);
          }
        },
      ),
    );
  });
});
