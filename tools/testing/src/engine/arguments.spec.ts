import { describe, expect, it } from 'vitest';
import { parseArguments } from './arguments.ts';

describe('parseArguments', () => {
  it.each([
    [['up'], { kind: 'up', registryPort: undefined, withReaders: false, format: 'text' }],
    [
      ['up', '--registry-port=5999', '--with-readers', '--format=env'],
      { kind: 'up', registryPort: 5999, withReaders: true, format: 'env' },
    ],
    [['up', '--json'], { kind: 'up', registryPort: undefined, withReaders: false, format: 'json' }],
    [['down'], { kind: 'down', purge: false }],
    [['down', '--purge'], { kind: 'down', purge: true }],
    [['status', '--format', 'json', '--json'], { kind: 'status', format: 'json' }],
    [['up', '--help'], { kind: 'help' }],
    [['-h'], { kind: 'help' }],
  ])('parseArguments parses %j', (args, command) => {
    expect(parseArguments(args)).toEqual(command);
  });

  it.each([
    [[], 'expected up, down or status, found nothing'],
    [['start'], 'expected up, down or status, found start'],
    [['up', 'down'], 'expected one command, found up down'],
    [['up', '--registry-port=0'], '--registry-port: expected 1 to 65535, found 0'],
    [['up', '--registry-port=65536'], '--registry-port: expected 1 to 65535, found 65536'],
    [['up', '--registry-port=80x'], '--registry-port: expected 1 to 65535, found 80x'],
    [['up', '--purge'], 'up has no option --purge'],
    [['down', '--json'], 'down has no option --json'],
    [['status', '--format=yaml'], '--format: expected text, json or env, found yaml'],
    [['status', '--format=env', '--json'], '--json and --format=env are mutually exclusive'],
    [['up', '--fast'], "Unknown option '--fast'"],
  ])('parseArguments refuses %j', (args, message) => {
    expect(() => parseArguments(args)).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENTS', message: expect.stringContaining(message) }),
    );
  });
});
