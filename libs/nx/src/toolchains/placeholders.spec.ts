import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parsePlatform } from '../artifacts/platform.ts';
import { fillPlaceholders, unknownPlaceholders } from './placeholders.ts';

const facts = (platform: string) => ({
  platform: parsePlatform(platform),
  name: 'server',
  version: '1.2.3',
  outfile: '/out/server',
  others: [{ name: 'worker', outfile: '/out/worker' }],
});

const ALL = '{platform} {os} {arch} {variant} {goarch} {gnuTarget} {rustTarget} {zigTarget}';

describe('placeholders', () => {
  it.each([
    [
      'linux/amd64',
      'linux-amd64 linux amd64  amd64 x86_64-linux-gnu x86_64-unknown-linux-musl x86_64-linux-musl',
    ],
    [
      'linux/arm/v7',
      'linux-armv7 linux arm v7 arm arm-linux-gnueabihf armv7-unknown-linux-musleabihf arm-linux-musleabihf',
    ],
    ['linux/386', 'linux-386 linux 386  386 i686-linux-gnu i686-unknown-linux-musl x86-linux-musl'],
    [
      'linux/riscv64',
      'linux-riscv64 linux riscv64  riscv64 riscv64-linux-gnu riscv64gc-unknown-linux-musl riscv64-linux-musl',
    ],
  ])('placeholders give each tool’s name for %s', (platform, expected) => {
    expect(fillPlaceholders(ALL, facts(platform))).toBe(expected);
  });

  it('placeholders give the program, its version, and the path of each executable', () => {
    expect(fillPlaceholders('{name} {version} {output} {output:worker}', facts('linux/amd64'))).toBe(
      'server 1.2.3 /out/server /out/worker',
    );
  });

  it.each([
    ['{outptu}', ['{outptu}']],
    ['{arch:worker}', ['{arch:worker}']],
    ['{constructor}', ['{constructor}']],
    ['{"a": 1} {x} {} {a b} {output}', ['{x}']],
    ['nothing', []],
  ])('the unknown placeholders in %s are %j', (text, unknown) => {
    expect(unknownPlaceholders(text)).toEqual(unknown);
  });

  it('filling placeholders leaves text without braces unchanged', () => {
    fc.assert(
      fc.property(
        fc.string().filter((text) => !text.includes('{')),
        (text) => {
          expect(fillPlaceholders(text, facts('linux/amd64'))).toBe(text);
        },
      ),
    );
  });
});
