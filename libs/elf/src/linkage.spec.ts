import { buildElf } from '@prebuilt/testing/elf';
import { describe, expect, it } from 'vitest';
import { type ElfFacts, readElf } from './elf.ts';
import { resolveLinkage } from './linkage.ts';
import { bytesSource } from './source.ts';

const facts = (wanted: Parameters<typeof buildElf>[0]): Promise<ElfFacts> =>
  readElf(bytesSource(buildElf(wanted), 'built'));

const executable = await facts({
  machine: 'x86_64',
  interpreter: '/lib64/ld-linux-x86-64.so.2',
  needed: ['liba.so', 'libc.so.6'],
  versionNeeds: { 'libc.so.6': ['GLIBC_2.17'] },
});
const loader = await facts({ machine: 'x86_64', soname: 'ld-linux-x86-64.so.2' });
const libc = await facts({
  machine: 'x86_64',
  soname: 'libc.so.6',
  needed: ['ld-linux-x86-64.so.2'],
  versionDefinitions: ['GLIBC_2.17', 'GLIBC_PRIVATE'],
});
const liba = await facts({ machine: 'x86_64', needed: ['libb.so', 'libc.so.6'] });
const libb = await facts({ machine: 'x86_64', needed: ['liba.so'] });

const ALL: Readonly<Record<string, ElfFacts>> = {
  'ld-linux-x86-64.so.2': loader,
  'libc.so.6': libc,
  'liba.so': liba,
  'libb.so': libb,
};
const linkage = (change: Readonly<Record<string, ElfFacts | undefined>> = {}) =>
  resolveLinkage(executable, (soname) => ({ ...ALL, ...change })[soname]);

describe('resolveLinkage', () => {
  it('returns the interpreter and the libraries in the order that the loader meets them, including cycles', () => {
    expect(linkage()).toEqual({
      libraries: ['ld-linux-x86-64.so.2', 'liba.so', 'libc.so.6', 'libb.so'],
      problems: [],
    });
  });

  it('finds no libraries for a static executable', async () => {
    expect(resolveLinkage(await facts({ machine: 'x86_64' }), () => undefined)).toEqual({
      libraries: [],
      problems: [],
    });
  });

  it('reports a missing interpreter', () => {
    expect(linkage({ 'ld-linux-x86-64.so.2': undefined }).problems).toMatchObject([
      { code: 'MISSING_INTERPRETER', library: 'ld-linux-x86-64.so.2' },
    ]);
  });

  it('reports a missing library that only another library needs, and which one', () => {
    expect(linkage({ 'libb.so': undefined }).problems).toEqual([
      { code: 'MISSING_LIBRARY', library: 'libb.so', message: 'liba.so needs libb.so, which was not found' },
    ]);
  });

  it('reports a library for another machine', async () => {
    expect(linkage({ 'libb.so': await facts({ machine: 'aarch64' }) }).problems).toMatchObject([
      {
        code: 'WRONG_MACHINE',
        message: 'libb.so: expected 64-bit little-endian x86_64, found 64-bit little-endian aarch64',
      },
    ]);
  });

  it('reports a library with the other byte order', () => {
    expect(linkage({ 'libb.so': { ...libb, byteOrder: 'big' } }).problems).toMatchObject([
      { code: 'WRONG_MACHINE', library: 'libb.so' },
    ]);
  });

  it('reports versions needed from a library that exists but that nothing loads', () => {
    const wanting = { ...executable, versionNeeds: { 'libz.so': ['Z_1'] } };
    expect(
      resolveLinkage(
        wanting,
        (soname) => ({ ...ALL, 'libz.so': { ...libb, versionDefinitions: ['Z_1'] } })[soname],
      ).problems,
    ).toEqual([
      {
        code: 'MISSING_LIBRARY',
        library: 'libz.so',
        message: 'the executable needs symbol versions from libz.so, which nothing loads',
      },
    ]);
  });

  it('reports a symbol version that the library does not provide', async () => {
    const old = await facts({ machine: 'x86_64', versionDefinitions: ['GLIBC_2.2.5'] });
    expect(linkage({ 'libc.so.6': old }).problems).toEqual([
      {
        code: 'MISSING_VERSION',
        library: 'libc.so.6',
        message: 'the executable needs GLIBC_2.17 from libc.so.6, which does not provide it',
      },
    ]);
  });
});
