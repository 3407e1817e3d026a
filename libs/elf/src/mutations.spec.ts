import { execFileSync } from 'node:child_process';
import { buildElf } from '@prebuilt/testing/elf';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { executable, GO_PLATFORMS, PLATFORMS } from '../testing/executables.ts';
import { readMutations } from '../testing/mutations.ts';
import { readCargoAuditable } from './cargo/auditable.ts';
import { readElf } from './elf.ts';
import { ElfError } from './errors.ts';
import { readGoBuildInfo } from './go/build-info.ts';
import { bytesSource } from './source.ts';

const READERS = [readElf, readGoBuildInfo, readCargoAuditable];
const MAX_MILLISECONDS = 1000;
const MAX_ASKED_BYTES = 4 * 1024 * 1024;

describe('the readers of executables', () => {
  it.each(PLATFORMS)(
    'the readers return facts or an ElfError within a second for a changed program and library for %s',
    async (platform) => {
      for (const kind of ['program', 'library'] as const) {
        const bounds = await readMutations(executable(platform, kind), READERS, 200);
        expect(bounds.slowest).toBeLessThan(MAX_MILLISECONDS);
        expect(bounds.asked).toBeLessThan(MAX_ASKED_BYTES);
        expect(bounds.answers).toBeGreaterThan(0);
        expect(bounds.errors).toBeGreaterThan(0);
      }
    },
  );

  it.each(GO_PLATFORMS)(
    'the readers return facts or an ElfError within a second for a changed Go program for %s',
    async (platform) => {
      const bounds = await readMutations(executable(platform, 'go'), READERS, 100);
      expect(bounds.slowest).toBeLessThan(MAX_MILLISECONDS);
      expect(bounds.asked).toBeLessThan(MAX_ASKED_BYTES);
      expect(bounds.answers).toBeGreaterThan(0);
      expect(bounds.errors).toBeGreaterThan(0);
    },
  );

  it('the readers return facts or an ElfError for any bytes after the magic', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(1, 2),
        fc.constantFrom(1, 2),
        fc.uint8Array({ maxLength: 400 }),
        async (bits, order, tail) => {
          const bytes = Buffer.concat([Buffer.from('\x7fELF', 'latin1'), Buffer.of(bits, order), tail]);
          for (const read of READERS) {
            await read(bytesSource(bytes, 'file')).catch((error) => expect(error).toBeInstanceOf(ElfError));
          }
        },
      ),
      { numRuns: 500 },
    );
  });

  it('the readers take less than 256 MiB for changed executables of every platform', () => {
    const script = `
      const { executable, GO_PLATFORMS, PLATFORMS } = await import(${url('../testing/executables.ts')});
      const { readMutations } = await import(${url('../testing/mutations.ts')});
      const { readElf, readGoBuildInfo, readCargoAuditable } = await import(${url('./index.ts')});
      for (const platform of PLATFORMS) {
        await readMutations(executable(platform, 'program'), [readElf, readGoBuildInfo, readCargoAuditable], 100);
      }
      for (const platform of GO_PLATFORMS) {
        await readMutations(executable(platform, 'go'), [readElf, readGoBuildInfo, readCargoAuditable], 50);
      }
      console.log(process.resourceUsage().maxRSS);
    `;
    const maxRss = execFileSync(process.execPath, ['--input-type=module', '--eval', script], {
      encoding: 'utf8',
      timeout: 50_000,
    });
    expect(Number(maxRss)).toBeGreaterThan(0);
    expect(Number(maxRss)).toBeLessThan(256 * 1024);
  });

  it('the readers return facts or an ElfError for any changed byte of a 32-bit big-endian file', async () => {
    const built = buildElf({
      machine: 'arm',
      byteOrder: 'big',
      interpreter: '/lib/ld.so',
      needed: ['libc.so.6'],
      versionNeeds: { 'libc.so.6': ['GLIBC_2.4'] },
      versionDefinitions: ['X_1'],
      notes: [{ owner: 'GNU', type: 3, description: '0011' }],
      sections: [{ name: '.ARM.attributes', type: 0x70000003, content: Buffer.from('A') }],
    });
    for (const [at, byte] of built.entries()) {
      for (const value of [0, 1, 0x7f, 0xff, byte ^ 0x80]) {
        const bytes = Buffer.from(built);
        bytes[at] = value;
        await readElf(bytesSource(bytes, 'file')).catch((error) => expect(error).toBeInstanceOf(ElfError));
      }
    }
  });
});

function url(path: string): string {
  return JSON.stringify(new URL(path, import.meta.url).href);
}
