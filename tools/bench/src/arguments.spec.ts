import { describe, expect, it } from 'vitest';
import { parseArguments } from './arguments.ts';

const NAMES = ['compile', 'verify', 'peer-start'];
const PEER_NAMES = ['peer-start'];

describe('parseArguments', () => {
  it.each([
    { args: [], expected: { kind: 'run', only: [], runs: 5, peer: undefined } },
    {
      args: ['--only', 'verify', '--only=compile', '--runs', '12'],
      expected: { kind: 'run', only: ['verify', 'compile'], runs: 12, peer: undefined },
    },
    {
      args: ['--peer', '/usr/bin/other', '--only', 'peer-start'],
      expected: { kind: 'run', only: ['peer-start'], runs: 5, peer: '/usr/bin/other' },
    },
    { args: ['--list'], expected: { kind: 'list' } },
    { args: ['--report'], expected: { kind: 'report' } },
    { args: ['-h'], expected: { kind: 'help' } },
  ])('parseArguments parses $args', ({ args, expected }) => {
    expect(parseArguments(args, NAMES, PEER_NAMES)).toEqual(expected);
  });

  it.each([
    { args: ['--only', 'typo'], message: 'expected one of compile, verify, peer-start, found typo' },
    { args: ['--only', 'peer-start'], message: 'peer-start expected --peer PATH' },
    { args: ['--runs', '0'], message: '--runs: expected 1 to 9999, found 0' },
    { args: ['--runs', '1.5'], message: 'found 1.5' },
    { args: ['--fast'], message: '--fast' },
    { args: ['compile'], message: 'compile' },
  ])('parseArguments refuses $args', ({ args, message }) => {
    expect(() => parseArguments(args, NAMES, PEER_NAMES)).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENTS', message: expect.stringContaining(message) }),
    );
  });
});
