import { bytesSource, type ElfFacts, readElf } from '@prebuilt/elf';
import { buildElf } from '@prebuilt/testing/elf';
import { describe, expect, it } from 'vitest';
import { elfMismatch } from './elf-platform.ts';
import { elfOf, PLATFORMS, parsePlatform } from './platform.ts';

const facts = (
  wanted: Parameters<typeof buildElf>[0],
  abi: Partial<ElfFacts['abi']> = {},
): Promise<ElfFacts> =>
  readElf(bytesSource(buildElf(wanted), 'file')).then((read) => ({ ...read, abi: { ...read.abi, ...abi } }));

describe('elfMismatch', () => {
  it.each(PLATFORMS)('accepts an executable for %s there and on no other machine', async (platform) => {
    const { machine, class: bits, byteOrder } = elfOf(platform);
    const own = await facts({ machine, class: bits, byteOrder } as Parameters<typeof buildElf>[0]);
    const fitting = PLATFORMS.filter((each) => elfMismatch(each, own) === undefined);
    expect(fitting).toContain(platform);
    expect(new Set(fitting.map((each) => elfOf(each).machine))).toEqual(new Set([machine]));
  });

  it.each<[string, string, string | null, string | undefined]>([
    ['linux/arm/v6', 'an executable for v6', 'v6', undefined],
    ['linux/arm/v6', 'an executable for v5TE', 'v5TE', undefined],
    ['linux/arm/v6', 'an executable without an architecture', null, undefined],
    ['linux/arm/v6', 'an executable for v7', 'v7', 'one for v7'],
    ['linux/arm/v7', 'an executable for v7', 'v7', undefined],
    ['linux/arm/v7', 'an executable for v8', 'v8', 'one for v8'],
  ])('elfMismatch on %s checks the architecture of %s', async (platform, _, architecture, found) => {
    const own = await facts({ machine: 'arm', class: 32 }, { architecture });
    expect(elfMismatch(parsePlatform(platform), own)?.found).toBe(found);
  });

  it.each<[string, ElfFacts['abi']['float'], readonly string[], string | undefined]>([
    ['linux/arm/v7', 'soft', ['libc.so.6'], 'the soft one'],
    ['linux/arm/v7', 'hard', ['libc.so.6'], undefined],
    ['linux/arm/v6', 'hard', ['libc.so.6'], 'the hard one'],
    ['linux/arm/v6', 'hard', [], undefined],
    ['linux/riscv64', 'soft', ['libc.so.6'], 'the soft one'],
    ['linux/riscv64', null, ['libc.so.6'], undefined],
  ])(
    'elfMismatch on %s checks the float ABI %s against the libraries %j',
    async (platform, float, needed, found) => {
      const { machine, class: bits } = elfOf(parsePlatform(platform));
      const wanted = { machine, class: bits, needed } as Parameters<typeof buildElf>[0];
      expect(elfMismatch(parsePlatform(platform), await facts(wanted, { float }))?.found).toBe(found);
    },
  );
});
