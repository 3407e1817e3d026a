import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { executable, GO_PLATFORMS, PLATFORMS } from '../testing/executables.ts';
import { comparable, HAS_READELF, readelf } from '../testing/readelf.ts';
import { type ElfFacts, openElf, readElf } from './elf.ts';
import { readGoBuildInfo } from './go/build-info.ts';
import { resolveLinkage } from './linkage.ts';
import { bytesSource } from './source.ts';

const read = (platform: (typeof PLATFORMS)[number], kind: 'program' | 'library'): Promise<ElfFacts> =>
  readElf(bytesSource(executable(platform, kind), `${platform}-${kind}`));

const NO_ABI = { version: null, float: null, architecture: null };

describe('readElf', () => {
  it.each<[(typeof PLATFORMS)[number], Partial<ElfFacts>]>([
    [
      'linux-amd64',
      {
        class: 64,
        machine: 'x86_64',
        abi: NO_ABI,
        interpreter: '/lib64/ld-linux-x86-64.so.2',
        executableStack: true,
      },
    ],
    [
      'linux-arm64',
      { class: 64, machine: 'aarch64', abi: NO_ABI, interpreter: '/lib/ld-linux-aarch64.so.1' },
    ],
    [
      'linux-armv7',
      {
        class: 32,
        machine: 'arm',
        abi: { version: 5, float: 'hard', architecture: 'v7' },
        interpreter: '/lib/ld-linux-armhf.so.3',
      },
    ],
    [
      'linux-armv6',
      {
        class: 32,
        machine: 'arm',
        abi: { version: 5, float: 'hard', architecture: 'v6' },
        interpreter: '/lib/ld-linux-armhf.so.3',
      },
    ],
    [
      'linux-armv5',
      {
        class: 32,
        type: 'exec',
        machine: 'arm',
        abi: { version: 5, float: 'soft', architecture: 'v5TE' },
        interpreter: '/lib/ld-linux.so.3',
      },
    ],
    [
      'linux-386',
      { class: 32, type: 'exec', machine: 'i386', abi: NO_ABI, interpreter: '/lib/ld-linux.so.2' },
    ],
    [
      'linux-riscv64',
      {
        class: 64,
        machine: 'riscv',
        abi: { ...NO_ABI, float: 'double' },
        interpreter: '/lib/ld-linux-riscv64-lp64d.so.1',
      },
    ],
    [
      'linux-ppc64le',
      { class: 64, machine: 'ppc64', abi: { ...NO_ABI, version: 2 }, interpreter: '/lib64/ld64.so.2' },
    ],
    [
      'linux-s390x',
      { class: 64, byteOrder: 'big', machine: 's390', abi: NO_ABI, interpreter: '/lib/ld64.so.1' },
    ],
  ])("reads a program made by Debian's compiler for %s", async (platform, facts) => {
    expect(await read(platform, 'program')).toMatchObject({
      byteOrder: 'little',
      type: 'dyn',
      executableStack: false,
      needed: ['libgreeting.so.1', 'libc.so.6'],
      soname: null,
      runpath: '/opt/greeting',
      versionNeeds: {
        'libgreeting.so.1': ['GREETING_1.0', 'GREETING_2.0'],
        'libc.so.6': expect.arrayContaining([expect.stringMatching(/^GLIBC_2\.\d+/)]),
      },
      static: false,
      ...facts,
    });
  });

  it.each(PLATFORMS)("reads a library made by Debian's compiler for %s", async (platform) => {
    expect(await read(platform, 'library')).toMatchObject({
      interpreter: null,
      needed: [],
      soname: 'libgreeting.so.1',
      versionNeeds: {},
      versionDefinitions: ['GREETING_1.0', 'GREETING_2.0'],
      notes: [{ owner: 'GNU', type: 3, description: expect.stringMatching(/^[\da-f]{40}$/) }],
    });
  });

  it.each<[(typeof PLATFORMS)[number], Partial<ElfFacts>, Readonly<Record<string, string>>]>([
    ['linux-amd64', { class: 64, machine: 'x86_64' }, { GOARCH: 'amd64', GOAMD64: 'v1' }],
    ['linux-arm64', { class: 64, machine: 'aarch64' }, { GOARCH: 'arm64' }],
    ['linux-armv7', { class: 32, machine: 'arm' }, { GOARCH: 'arm', GOARM: '7' }],
    ['linux-armv6', { class: 32, machine: 'arm' }, { GOARCH: 'arm', GOARM: '6' }],
    ['linux-386', { class: 32, machine: 'i386' }, { GOARCH: '386', GO386: 'sse2' }],
    ['linux-riscv64', { class: 64, machine: 'riscv' }, { GOARCH: 'riscv64' }],
    ['linux-ppc64le', { class: 64, machine: 'ppc64' }, { GOARCH: 'ppc64le', GOPPC64: 'power8' }],
    ['linux-s390x', { class: 64, byteOrder: 'big', machine: 's390' }, { GOARCH: 's390x' }],
  ])('reads a Go program for %s, and its build information', async (platform, facts, settings) => {
    const source = bytesSource(executable(platform, 'go'), platform);
    expect(await readElf(source)).toMatchObject({
      byteOrder: 'little',
      type: 'exec',
      interpreter: null,
      needed: [],
      static: true,
      executableStack: false,
      ...facts,
    });
    expect(await readGoBuildInfo(source)).toMatchObject({
      goVersion: expect.stringMatching(/^go1\./),
      path: 'example.com/fixture',
      main: { path: 'example.com/fixture' },
      dependencies: [],
      settings: { CGO_ENABLED: '0', GOOS: 'linux', ...settings },
    });
  });

  it.for(PLATFORMS)(
    'agrees with readelf on the program and the library for %s',
    async (platform, { skip }) => {
      if (!HAS_READELF && !process.env.CI) skip('needs readelf: apt-get install binutils');
      const folder = await mkdtemp(join(tmpdir(), 'elf-'));
      try {
        const kinds = ['program', 'library', ...(GO_PLATFORMS.includes(platform) ? ['go'] : [])] as const;
        for (const kind of kinds as readonly ('program' | 'library' | 'go')[]) {
          const path = join(folder, kind);
          await writeFile(path, executable(platform, kind));
          expect(comparable(await openElf(path))).toEqual(readelf(path));
        }
      } finally {
        await rm(folder, { recursive: true });
      }
    },
  );

  it.for(['/bin/ls', '/bin/true', process.execPath])(
    "agrees with readelf on this machine's %s",
    async (path, { skip }) => {
      if (!HAS_READELF && !process.env.CI) skip('needs readelf: apt-get install binutils');
      expect(comparable(await openElf(path))).toEqual(readelf(path));
    },
  );
});

describe('resolveLinkage', () => {
  it.each(PLATFORMS)('finds what a program needs from its library for %s', async (platform) => {
    const library = await read(platform, 'library');
    const { libraries, problems } = resolveLinkage(await read(platform, 'program'), (soname) =>
      soname === 'libgreeting.so.1' ? library : undefined,
    );
    expect(libraries).toEqual(['libgreeting.so.1']);
    expect(problems.map(({ code, library: soname }) => `${code} ${soname}`)).toEqual([
      expect.stringMatching(/^MISSING_INTERPRETER ld/),
      'MISSING_LIBRARY libc.so.6',
    ]);
  });

  it('refuses a library with a different float ABI', async () => {
    const library = await read('linux-armv5', 'library');
    const { problems } = resolveLinkage(await read('linux-armv7', 'program'), (soname) =>
      soname === 'libgreeting.so.1' ? library : undefined,
    );
    expect(problems).toContainEqual({
      code: 'WRONG_MACHINE',
      library: 'libgreeting.so.1',
      message:
        'libgreeting.so.1: expected 32-bit little-endian arm, hard-float, found 32-bit little-endian arm, soft-float',
    });
  });
});
