import { describe, expect, it } from 'vitest';
import { parseArguments, usage } from './arguments.ts';
import { ConfigError } from './config/errors.ts';

const none = { configPath: undefined, httpPort: undefined, logLevel: undefined, logFormat: undefined };

describe('parseArguments', () => {
  it.each([
    [[], { kind: 'monitor', options: none }],
    [['-c', 'x'], { kind: 'monitor', options: { ...none, configPath: 'x' } }],
    [['-c=x'], { kind: 'monitor', options: { ...none, configPath: 'x' } }],
    [['--config', 'x'], { kind: 'monitor', options: { ...none, configPath: 'x' } }],
    [['--config=x'], { kind: 'monitor', options: { ...none, configPath: 'x' } }],
    [['-config', 'x'], { kind: 'monitor', options: { ...none, configPath: 'x' } }],
    [
      ['-http-port=9', '--log-level', 'debug', '-log-format=text'],
      { kind: 'monitor', options: { ...none, httpPort: 9, logLevel: 'debug', logFormat: 'text' } },
    ],
    [['--init-container-mode'], { kind: 'init', options: none }],
    [['-init-container-mode=true'], { kind: 'init', options: none }],
    [['--init-container-mode=false'], { kind: 'monitor', options: none }],
    [['--validate'], { kind: 'validate', options: none }],
    [['--validate', '--init-container-mode'], { kind: 'validate', options: none }],
    [['word', '-', '--', '--bogus'], { kind: 'monitor', options: none }],
    [['--config=', '--log-level=', '--log-format='], { kind: 'monitor', options: none }],
    [['--http-port=0'], { kind: 'monitor', options: none }],
    [['--http-port', '-1'], { kind: 'monitor', options: none }],
    [['--http-port=0x1F90'], { kind: 'monitor', options: { ...none, httpPort: 8080 } }],
    [['--http-port=017620'], { kind: 'monitor', options: { ...none, httpPort: 8080 } }],
    [['--check'], { kind: 'check', options: none, asJson: false }],
    [
      ['--check', '--json', '-c', 'x'],
      { kind: 'check', options: { ...none, configPath: 'x' }, asJson: true },
    ],
    [['--validate', '--check'], { kind: 'validate', options: none }],
    [['--version'], { kind: 'version' }],
    [['-h'], { kind: 'help' }],
    [['-help'], { kind: 'help' }],
    [['--help', '--version'], { kind: 'help' }],
  ])('parseArguments reads %j', (args, command) => {
    expect(parseArguments(args)).toEqual(command);
  });

  it.each([
    [['--bogus']],
    [['--json']],
    [['-x']],
    [['--config']],
    [['--http-port', 'abc']],
    [['--http-port', '1.5']],
    [['--validate=maybe']],
    [['--http-port=0x']],
    [['--http-port=09']],
  ])('parseArguments rejects %j with a usage error', (args) => {
    expect(() => parseArguments(args)).toThrow(ConfigError);
  });

  it('an unknown flag is reported with only the first sentence of Node’s message', () => {
    expect(() => parseArguments(['--mount-paths'])).toThrow(
      "Unknown option '--mount-paths' (mount-monitor --help lists the flags)",
    );
  });

  it('the usage text starts with the program’s name and version', () => {
    expect(usage.split('\n')[0]).toMatch(/^mount-monitor \S+$/);
  });
});
