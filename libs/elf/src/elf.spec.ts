import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type ElfFacts, openElf, readElf } from './elf.ts';
import { ElfError } from './errors.ts';
import { bytesSource } from './source.ts';
import { buildElf } from './testing/build-elf.ts';

const read = (bytes: Uint8Array): Promise<ElfFacts> => readElf(bytesSource(bytes, 'file'));

const LIBRARY = {
  type: 'dyn',
  machine: 'aarch64',
  interpreter: '/lib/ld-linux-aarch64.so.1',
  needed: ['libc.so.6', 'libm.so.6'],
  soname: 'libx.so.1',
  runpath: '$ORIGIN',
  rpath: '/opt/lib',
  executableStack: true,
  versionNeeds: { 'libc.so.6': ['GLIBC_2.17', 'GLIBC_2.34'], 'libm.so.6': ['GLIBC_2.29'] },
  versionDefinitions: ['X_1.0', 'X_1.1'],
} as const;

describe('readElf', () => {
  it('reads every fact that was written', async () => {
    expect(await read(buildElf(LIBRARY))).toEqual({
      class: 64,
      byteOrder: 'little',
      static: false,
      ...LIBRARY,
    });
  });

  it('calls an executable without interpreter and needs static', async () => {
    expect(await read(buildElf({ type: 'exec', machine: 'x86_64' }))).toEqual({
      class: 64,
      byteOrder: 'little',
      type: 'exec',
      machine: 'x86_64',
      interpreter: null,
      needed: [],
      soname: null,
      rpath: null,
      runpath: null,
      executableStack: null,
      versionNeeds: {},
      versionDefinitions: [],
      static: true,
    });
  });

  it('tells class, byte order and machine of files that are not 64-bit little-endian', async () => {
    const bytes = Buffer.alloc(64);
    bytes.write('\x7fELF\x01\x02', 'latin1');
    bytes.writeUInt16BE(2, 16);
    bytes.writeUInt16BE(40, 18);
    expect(await read(bytes)).toMatchObject({
      class: 32,
      byteOrder: 'big',
      type: 'exec',
      machine: 'arm',
      static: false,
    });
  });

  it.each<[string, Uint8Array, string, string]>([
    ['an empty file', Buffer.alloc(0), 'NOT_ELF', 'an empty file'],
    ['a script', Buffer.from('#!/bin/sh\nexec sleep 1\n\n'), 'NOT_ELF', 'starts 23 21 2f 62'],
    ['a header cut short', buildElf({ machine: 'x86_64' }).subarray(0, 40), 'TRUNCATED', 'the ELF header'],
    ['a file cut short', buildElf(LIBRARY).subarray(0, 300), 'TRUNCATED', 'is outside the file of 300 bytes'],
    ['a class that does not exist', patched((bytes) => bytes.writeUInt8(3, 4)), 'MALFORMED', 'class 3'],
    [
      'program headers of another size',
      patched((bytes) => bytes.writeUInt16LE(32, 54)),
      'MALFORMED',
      '56 bytes, found 32',
    ],
    [
      '65,535 program headers',
      patched((bytes) => bytes.writeUInt16LE(65_535, 56)),
      'MALFORMED',
      '65535 program headers',
    ],
    [
      'a table far outside',
      patched((bytes) => bytes.writeBigUInt64LE(2n ** 63n, 32)),
      'TRUNCATED',
      'program header table',
    ],
  ])('refuses %s', async (_, bytes, code, says) => {
    await expect(read(bytes)).rejects.toMatchObject({ code, message: expect.stringContaining(says) });
  });

  it('reads real files of Debian', async () => {
    expect(await openElf('/bin/true')).toMatchObject({
      type: 'dyn',
      needed: ['libc.so.6'],
      executableStack: false,
      versionNeeds: { 'libc.so.6': expect.arrayContaining(['GLIBC_2.34']) },
      static: false,
    });
  });

  it('answers any bytes with facts or an ElfError', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 400 }), (tail) =>
        expectFactsOrElfError(Buffer.concat([Buffer.from('\x7fELF\x02\x01', 'latin1'), tail])),
      ),
      { numRuns: 500 },
    );
  });

  it('answers any change of a real file with facts or an ElfError', async () => {
    const real = readFileSync('/bin/true');
    const change = fc.record({
      at: fc.oneof(fc.nat({ max: 1023 }), fc.nat({ max: real.length - 9 })),
      value: fc.oneof(
        fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
        fc.constantFrom(0n, 1n, 2n ** 32n, 2n ** 64n - 1n),
      ),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.array(change, { minLength: 1, maxLength: 4 }),
        fc.nat({ max: real.length }),
        (changes, cut) => {
          const bytes = Buffer.from(real);
          for (const { at, value } of changes) bytes.writeBigUInt64LE(value, at);
          return expectFactsOrElfError(cut % 3 === 0 ? bytes.subarray(0, cut) : bytes);
        },
      ),
      { numRuns: 500 },
    );
  });

  it('answers any change of a built file with facts or an ElfError, reading a bounded part of it', async () => {
    const built = buildElf(LIBRARY);
    await fc.assert(
      fc.asyncProperty(fc.nat({ max: built.length - 4 }), fc.nat({ max: 2 ** 32 - 1 }), async (at, value) => {
        const bytes = Buffer.from(built);
        bytes.writeUInt32LE(value, at);
        let asked = 0;
        const source = bytesSource(bytes, 'file');
        await readElf({
          ...source,
          read(offset, length) {
            asked += length;
            return source.read(offset, length);
          },
        }).catch((error) => expect(error).toBeInstanceOf(ElfError));
        expect(asked).toBeLessThan(4 * 1024 * 1024);
      }),
      { numRuns: 1000 },
    );
  });
});

describe('openElf', () => {
  it('names the file in its errors', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'elf-'));
    try {
      const path = join(folder, 'program');
      await writeFile(path, 'text');
      await expect(openElf(path)).rejects.toMatchObject({
        code: 'NOT_ELF',
        message: expect.stringContaining(path),
      });
      await expect(openElf(join(folder, 'absent'))).rejects.toMatchObject({ code: 'ENOENT' });
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});

function patched(change: (bytes: Buffer) => void): Buffer {
  const bytes = Buffer.from(buildElf(LIBRARY));
  change(bytes);
  return bytes;
}

async function expectFactsOrElfError(bytes: Uint8Array): Promise<void> {
  try {
    expect(await read(bytes)).toHaveProperty('machine');
  } catch (error) {
    expect(error).toBeInstanceOf(ElfError);
  }
}
