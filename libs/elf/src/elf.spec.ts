import { execFileSync } from 'node:child_process';
import { mkdtemp, open, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildElf } from '@prebuilt/testing/elf';
import { describe, expect, it } from 'vitest';
import { type ElfFacts, openElf, readElf } from './elf.ts';
import { bytesSource } from './source.ts';

const read = (bytes: Uint8Array): Promise<ElfFacts> => readElf(bytesSource(bytes, 'file'));

const SHARED_OBJECT = {
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
  notes: [
    { owner: 'GNU', type: 3, description: '00112233445566778899aabbccddeeff0011223344' },
    { owner: 'Go', type: 4, description: '' },
  ],
} as const;

const NO_ABI = { version: null, float: null, architecture: null };

describe('readElf', () => {
  it.each([
    [64, 'little'],
    [64, 'big'],
    [32, 'little'],
    [32, 'big'],
  ] as const)('reads every fact that was written to a %i-bit %s-endian file', async (bits, byteOrder) => {
    const wanted = { ...SHARED_OBJECT, class: bits, byteOrder };
    expect(await read(buildElf(wanted))).toEqual({ ...wanted, abi: NO_ABI, static: false });
  });

  it('reports an executable without an interpreter or needed libraries as static', async () => {
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
      abi: NO_ABI,
      notes: [],
      static: true,
    });
  });

  it('reads notes padded to 8 bytes in a segment with that alignment', async () => {
    const first = { owner: 'GNU', type: 5, description: '00'.repeat(24) };
    const second = { owner: 'GNU', type: 3, description: 'abcd' };
    const bytes = buildElf({ machine: 'x86_64', notes: [first, second] });
    bytes.writeBigUInt64LE(8n, header(bytes, 4) + 48);
    bytes.writeUInt32LE(20, header(bytes, 4, 8) + 4);
    expect((await read(bytes)).notes).toEqual([{ ...first, description: '00'.repeat(20) }, second]);
  });

  it.each<[string, Uint8Array, string, string]>([
    ['an empty file', Buffer.alloc(0), 'NOT_ELF', 'an empty file'],
    ['a script', Buffer.from('#!/bin/sh\nexec sleep 1\n\n'), 'NOT_ELF', 'starts with 23 21 2f 62'],
    ['a header cut short', buildElf({ machine: 'x86_64' }).subarray(0, 40), 'TRUNCATED', 'the ELF header'],
    [
      'a 32-bit header cut short',
      buildElf({ machine: 'arm' }).subarray(0, 51),
      'TRUNCATED',
      'the ELF header',
    ],
    [
      'a file cut short',
      buildElf(SHARED_OBJECT).subarray(0, 300),
      'TRUNCATED',
      'is outside the file of 300 bytes',
    ],
    ['a class that does not exist', patched((bytes) => bytes.writeUInt8(3, 4)), 'MALFORMED', 'class 3'],
    [
      'program headers of a wrong size',
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
      'two dynamic segments',
      patched((bytes) => bytes.writeUInt32LE(2, header(bytes, 3))),
      'MALFORMED',
      'one PT_DYN',
    ],
    [
      'two interpreters',
      patched((bytes) => bytes.writeUInt32LE(3, header(bytes, 2))),
      'MALFORMED',
      'one PT_INTERP',
    ],
    [
      'loaded segments that overlap',
      patched((bytes) => bytes.writeUInt32LE(1, header(bytes, 0x6474e551))),
      'MALFORMED',
      'overlap',
    ],
    [
      'a dynamic segment that is not where it is loaded from',
      patched((bytes) => {
        const at = header(bytes, 2) + 16;
        bytes.writeBigUInt64LE(bytes.readBigUInt64LE(at) - 16n, at);
      }),
      'MALFORMED',
      'the dynamic segment at',
    ],
    ['an unterminated dynamic segment', retagged(0, 0x70000001), 'MALFORMED', 'is not terminated'],
    ['needs without a string table', retagged(5, 0x70000001), 'MALFORMED', 'no string table'],
    [
      'a string table outside the loaded segment',
      revalued(10, 1_000_000),
      'MALFORMED',
      'in no loaded segment',
    ],
    ['a string outside the table', revalued(14, 999_999), 'MALFORMED', 'not a terminated string'],
    ['two string tables', retagged(14, 5), 'MALFORMED', 'one DT_STRTAB'],
    ['more version needs than counted', revalued(0x6fffffff, 1), 'MALFORMED', 'expected 1 records'],
    ['fewer version needs than counted', revalued(0x6fffffff, 3), 'MALFORMED', 'expected 3 records'],
    ['version needs without a count', retagged(0x6fffffff, 0x70000001), 'MALFORMED', 'expected no records'],
    ['more version definitions than counted', revalued(0x6ffffffd, 1), 'MALFORMED', 'expected 1 records'],
    ['version needs that are not loaded', revalued(0x6ffffffe, 8), 'MALFORMED', 'in no loaded segment'],
    [
      '32-bit program headers of a wrong size',
      patched((bytes) => bytes.writeUInt16LE(56, 42), buildElf({ machine: 'arm' })),
      'MALFORMED',
      '32 bytes, found 56',
    ],
    [
      'a note longer than its segment',
      patched((bytes) => bytes.writeUInt32LE(999, header(bytes, 4, 8) + 4)),
      'MALFORMED',
      'a note is longer',
    ],
    [
      'a note with an unterminated owner',
      patched((bytes) => bytes.write('GNUX', header(bytes, 4, 8) + 12)),
      'MALFORMED',
      "a note's owner",
    ],
    [
      'more than 1 MiB of notes',
      patched((bytes) => bytes.writeBigUInt64LE(2n ** 21n, header(bytes, 4) + 32)),
      'MALFORMED',
      '2097152 bytes of notes',
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

  it('reads the libraries that Bun needs from a file of 100 MB or more, reading little of it', async () => {
    const bun = process.arch === 'x64' ? 'bun-linux-x64-baseline' : 'bun-linux-aarch64';
    const path = fileURLToPath(new URL(`../../../node_modules/@oven/${bun}/bin/bun`, import.meta.url));
    const file = await open(path);
    try {
      let asked = 0;
      const facts = await readElf({
        name: path,
        size: (await file.stat()).size,
        async read(offset, length) {
          asked += length;
          return (await file.read(Buffer.alloc(length), 0, length, offset)).buffer;
        },
      });
      expect(facts).toMatchObject({
        type: 'exec',
        machine: process.arch === 'x64' ? 'x86_64' : 'aarch64',
        interpreter: expect.stringContaining('/ld-linux-'),
        needed: expect.arrayContaining(['libc.so.6', 'libm.so.6', 'libpthread.so.0', 'libdl.so.2']),
        rpath: null,
        runpath: null,
        executableStack: false,
        versionNeeds: { 'libc.so.6': expect.arrayContaining(['GLIBC_2.17']) },
      });
      expect(asked).toBeLessThan(1024 * 1024);
    } finally {
      await file.close();
    }
  });

  it('reads real files from Debian', async () => {
    expect(await openElf('/bin/true')).toMatchObject({
      type: 'dyn',
      needed: ['libc.so.6'],
      executableStack: false,
      versionNeeds: { 'libc.so.6': expect.arrayContaining(['GLIBC_2.34']) },
      static: false,
    });
  });
});

describe('openElf', () => {
  it('openElf names the file in its errors', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'elf-'));
    try {
      const path = join(folder, 'program');
      await writeFile(path, 'text');
      await expect(openElf(path)).rejects.toMatchObject({
        code: 'NOT_ELF',
        message: expect.stringContaining(path),
      });
      await expect(openElf(join(folder, 'absent'))).rejects.toMatchObject({ code: 'ENOENT' });
      await expect(openElf(folder)).rejects.toMatchObject({ code: 'NOT_ELF' });
      execFileSync('mkfifo', [join(folder, 'pipe')]);
      await expect(openElf(join(folder, 'pipe'))).rejects.toMatchObject({
        code: 'NOT_ELF',
        message: expect.stringContaining('not a regular file'),
      });
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});

/** The offset of the program header of a type or, if a field's offset is given, the value of that field. */
function header(bytes: Buffer, type: number, field?: number): number {
  for (let at = 64; at < 64 + 56 * bytes.readUInt16LE(56); at += 56) {
    if (bytes.readUInt32LE(at) !== type) continue;
    return field === undefined ? at : Number(bytes.readBigUInt64LE(at + field));
  }
  throw new Error(`no program header of type ${type}`);
}

/** The library with one of its dynamic entries changed. */
function dynamicEntry(tag: number, change: (bytes: Buffer, at: number) => void): Buffer {
  return patched((bytes) => {
    let at = header(bytes, 2, 8);
    while (bytes.readBigUInt64LE(at) !== BigInt(tag)) at += 16;
    change(bytes, at);
  });
}

const retagged = (tag: number, other: number): Buffer =>
  dynamicEntry(tag, (bytes, at) => bytes.writeBigUInt64LE(BigInt(other), at));
const revalued = (tag: number, value: number): Buffer =>
  dynamicEntry(tag, (bytes, at) => bytes.writeBigUInt64LE(BigInt(value), at + 8));

function patched(change: (bytes: Buffer) => void, bytes: Buffer = buildElf(SHARED_OBJECT)): Buffer {
  change(bytes);
  return bytes;
}
