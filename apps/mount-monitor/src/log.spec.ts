import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createLogger, type LogFormat, type LogLevel } from './log.ts';

const time = new Date('2026-01-02T03:04:05.678Z');

function record(level: LogLevel, format: LogFormat) {
  const lines: [number, string][] = [];
  const log = createLogger(
    level,
    format,
    (stream, line) => lines.push([stream, line]),
    () => time,
  );
  return { log, lines };
}

describe('createLogger', () => {
  it('the JSON format has one object per line, with time, level and msg first', () => {
    const { log, lines } = record('debug', 'json');
    log.info('hello', { path: '/a b', count: 2, none: undefined, error: new Error('boom') });
    expect(lines).toEqual([
      [
        1,
        '{"time":"2026-01-02T03:04:05.678Z","level":"info","msg":"hello","path":"/a b","count":2,"error":"boom"}\n',
      ],
    ]);
  });

  it('the text format is logfmt and quotes only the values that need it', () => {
    const { log, lines } = record('debug', 'text');
    log.warn('hello world', {
      path: '/a b',
      plain: '/a',
      empty: '',
      quote: 'a"b',
      list: [1],
      yes: true,
      none: undefined,
    });
    expect(lines[0]?.[1]).toBe(
      'time=2026-01-02T03:04:05.678Z level=warn msg="hello world" path="/a b" plain=/a empty="" quote="a\\"b" list=[1] yes=true\n',
    );
  });

  it('debug and info go to stdout, warn and error to stderr', () => {
    const { log, lines } = record('debug', 'json');
    log.debug('a');
    log.info('b');
    log.warn('c');
    log.error('d');
    expect(lines.map(([stream]) => stream)).toEqual([1, 1, 2, 2]);
  });

  it.each([
    ['debug', 4],
    ['info', 3],
    ['warn', 2],
    ['error', 1],
  ] as const)('level %s shows %d of the four severities', (level, count) => {
    const { log, lines } = record(level, 'json');
    log.debug('a');
    log.info('b');
    log.warn('c');
    log.error('d');
    expect(lines).toHaveLength(count);
  });

  it('a logger’s level and format can be adjusted', () => {
    const { log, lines } = record('error', 'json');
    log.adjust('debug', 'text');
    log.debug('now');
    expect(lines[0]?.[1]).toContain('level=debug msg=now');
  });

  it('any text becomes exactly one log line', () => {
    fc.assert(
      fc.property(fc.string(), fc.constantFrom('json', 'text'), (text, format) => {
        const { log, lines } = record('debug', format);
        log.info(text, { text });
        expect(lines[0]?.[1].indexOf('\n')).toBe((lines[0]?.[1].length ?? 0) - 1);
      }),
    );
  });
});
