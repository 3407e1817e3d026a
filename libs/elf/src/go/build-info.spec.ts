import { buildElf, type Encoding, inlineBuildInfo, pointedBuildInfo } from '@prebuilt/testing/elf';
import { describe, expect, it } from 'vitest';
import { costOf } from '../../testing/cost.ts';
import { readMutations } from '../../testing/mutations.ts';
import { bytesSource } from '../source.ts';
import { type GoBuildInfo, readGoBuildInfo } from './build-info.ts';

const LINES = [
  'path\texample.com/server/cmd/server',
  'mod\texample.com/server\tv1.2.3\th1:main=',
  'dep\tgolang.org/x/net\tv0.1.0\th1:net=',
  'dep\texample.com/forked\tv1.0.0',
  '=>\texample.com/fork\tv1.0.1\th1:fork=',
  'dep\texample.com/local\tv0.0.0',
  '=>\t./local\t(devel)\t',
  'build\t-compiler=gc',
  'build\t-ldflags="-s -w -X \\"main.version=1.2 ✓\\""',
  'build\tCGO_ENABLED=0',
  'build\tGOARM=6',
];
const VERSION = 'go1.24.4';
const TEXTS = { version: VERSION, modules: `${LINES.join('\n')}\n` };

const INFO: GoBuildInfo = {
  goVersion: VERSION,
  path: 'example.com/server/cmd/server',
  main: { path: 'example.com/server', version: 'v1.2.3', sum: 'h1:main=', replacedBy: null },
  dependencies: [
    { path: 'golang.org/x/net', version: 'v0.1.0', sum: 'h1:net=', replacedBy: null },
    {
      path: 'example.com/forked',
      version: 'v1.0.0',
      sum: null,
      replacedBy: { path: 'example.com/fork', version: 'v1.0.1', sum: 'h1:fork=', replacedBy: null },
    },
    {
      path: 'example.com/local',
      version: 'v0.0.0',
      sum: null,
      replacedBy: { path: './local', version: '(devel)', sum: null, replacedBy: null },
    },
  ],
  settings: { '-compiler': 'gc', '-ldflags': '-s -w -X "main.version=1.2 ✓"', CGO_ENABLED: '0', GOARM: '6' },
};

const ENCODINGS: readonly Encoding[] = [
  { class: 64, byteOrder: 'little' },
  { class: 64, byteOrder: 'big' },
  { class: 32, byteOrder: 'little' },
  { class: 32, byteOrder: 'big' },
];

type Wanted = Parameters<typeof buildElf>[0];

const read = (content: Uint8Array | ((address: number) => Uint8Array), wanted: Partial<Wanted> = {}) =>
  readGoBuildInfo(
    bytesSource(
      buildElf({
        machine: 'x86_64',
        type: 'exec',
        sections: [
          { name: '.go.buildinfo', content },
          { name: '.data', content: Buffer.alloc(64) },
        ],
        ...wanted,
      }),
      'file',
    ),
  );

describe('readGoBuildInfo', () => {
  it.each(ENCODINGS)(
    'reads the strings that follow the header in a $class-bit $byteOrder-endian file',
    async (encoding) => {
      expect(await read(inlineBuildInfo(TEXTS), encoding)).toEqual(INFO);
    },
  );

  it.each(ENCODINGS)(
    'reads the strings that an old Go header points to in a $class-bit $byteOrder-endian file',
    async (encoding) => {
      expect(await read((address) => pointedBuildInfo(TEXTS, address, encoding), encoding)).toEqual(INFO);
    },
  );

  it('finds the header in the data of a file without section headers, but only if it is aligned', async () => {
    const decoy = Buffer.alloc(24, 'x');
    inlineBuildInfo({ version: 'go1.0', modules: '' }).copy(decoy, 8);
    const content = Buffer.concat([decoy, Buffer.alloc(24), inlineBuildInfo(TEXTS)]);
    expect(await read(content, { stripped: true })).toEqual(INFO);
  });

  it('finds the header beyond the first MiB of the data', async () => {
    const content = Buffer.concat([Buffer.alloc(3 * 1024 * 1024 + 16), inlineBuildInfo(TEXTS)]);
    expect(await read(content, { stripped: true })).toEqual(INFO);
  });

  it('returns null for an executable without the header', async () => {
    expect(await read(Buffer.alloc(1024))).toBeNull();
    expect(await read(Buffer.alloc(1024), { stripped: true })).toBeNull();
    expect(await readGoBuildInfo(bytesSource(buildElf({ machine: 'arm' }), 'file'))).toBeNull();
  });

  it('returns only the Go version for a program built without modules', async () => {
    const info = { goVersion: VERSION, path: null, main: null, dependencies: [], settings: {} };
    const texts = { version: VERSION, modules: '' };
    expect(await read(inlineBuildInfo(texts))).toEqual(info);
    expect(
      await read((address) => pointedBuildInfo(texts, address, { class: 64, byteOrder: 'little' })),
    ).toEqual(info);
  });

  it('does not search a segment that is both writable and executable', async () => {
    const bytes = buildElf({
      machine: 'x86_64',
      sections: [{ name: '.data', content: inlineBuildInfo(TEXTS) }],
      stripped: true,
    });
    expect(await readGoBuildInfo(bytesSource(bytes, 'file'))).toEqual(INFO);
    // The flags of the second program header.
    bytes.writeUInt32LE(7, 64 + 56 + 4);
    expect(await readGoBuildInfo(bytesSource(bytes, 'file'))).toBeNull();
  });

  it('ignores module text without a final line feed, as Go does', async () => {
    const info = await read(inlineBuildInfo({ version: VERSION, modules: 'path\texample.com/x' }));
    expect(info).toMatchObject({ goVersion: VERSION, path: null });
  });

  it('skips lines of unknown kinds', async () => {
    const modules = `new\tthing\n\n${TEXTS.modules}`;
    expect(await read(inlineBuildInfo({ version: VERSION, modules }))).toEqual(INFO);
  });

  it('keeps a setting named __proto__ as a setting', async () => {
    const info = await read(inlineBuildInfo({ version: VERSION, modules: 'build\t__proto__=1\n' }));
    expect(Object.entries(info?.settings ?? {})).toEqual([['__proto__', '1']]);
  });

  it.each<[string, string, string]>([
    ['a module without a version', 'dep\tx\n', 'a path, a version'],
    ['a module with a fourth column', 'dep\tx\tv1\th1:\tmore\n', 'a path, a version'],
    ['a replacement of nothing', '=>\tx\tv1\th1:\n', 'a module before its replacement'],
    ['a second replacement', 'dep\tx\tv1\n=>\ty\tv1\t\n=>\tz\tv1\t\n', 'a module before its replacement'],
    ['a setting without a value', 'build\tGOARM\n', 'a key and a value'],
    ['a setting without a key', 'build\t=1\n', 'a key and a value'],
    ['a duplicate setting', 'build\ta=1\nbuild\ta=2\n', 'each setting once'],
    ['a value with an open quote', 'build\ta="1\n', 'a Go string literal'],
    ['a value with an unknown escape', 'build\ta="\\q"\n', 'a Go string literal'],
  ])('refuses %s', async (_, modules, says) => {
    await expect(read(inlineBuildInfo({ version: VERSION, modules }))).rejects.toMatchObject({
      code: 'MALFORMED',
      message: expect.stringContaining(says),
    });
  });

  const blob = inlineBuildInfo(TEXTS);
  const patched = (change: (bytes: Buffer) => void): Buffer => {
    const bytes = Buffer.from(blob);
    change(bytes);
    return bytes;
  };
  it.each<[string, Uint8Array | ((address: number) => Uint8Array), string]>([
    ['a truncated header', blob.subarray(0, 20), 'in no loaded segment'],
    ['truncated strings', blob.subarray(0, 100), 'in no loaded segment'],
    ['a length of more than 1 MiB', patched((bytes) => bytes.fill(0xff, 32, 48)), 'more than 4096 bytes'],
    ['a length without end', patched((bytes) => bytes.fill(0x80, 32)), 'more than 4096 bytes'],
    ['an empty version', inlineBuildInfo({ ...TEXTS, version: '' }), 'no Go version'],
    [
      'pointers of a wrong size',
      (address) => pointedBuildInfo(TEXTS, address, { class: 32, byteOrder: 'little' }),
      'another machine',
    ],
    [
      'pointers in the wrong byte order',
      (address) => pointedBuildInfo(TEXTS, address, { class: 64, byteOrder: 'big' }),
      'another machine',
    ],
    [
      'pointers to nowhere',
      (address) => pointedBuildInfo(TEXTS, address + 0x100000, { class: 64, byteOrder: 'little' }),
      'in no loaded segment',
    ],
  ])('refuses %s', async (_, content, says) => {
    const sections = [{ name: '.go.buildinfo', content }];
    await expect(read(content, { sections })).rejects.toMatchObject({
      code: 'MALFORMED',
      message: expect.stringContaining(says),
    });
  });

  it.each([
    ['inline strings', () => inlineBuildInfo(TEXTS)],
    ['pointers', (address: number) => pointedBuildInfo(TEXTS, address, { class: 32, byteOrder: 'little' })],
  ])('returns information or an ElfError for any change to a file with %s', async (_, content) => {
    const bytes = buildElf({ machine: 'arm', sections: [{ name: '.go.buildinfo', content }] });
    const { slowest, errors, answers } = await readMutations(bytes, [readGoBuildInfo], 500);
    expect(slowest).toBeLessThan(1000);
    expect(Math.min(errors, answers)).toBeGreaterThan(0);
  });

  // Each is just below the 1 MiB limit.
  it.each([
    ['modules', 'dep\tx\ty\n'.repeat(130_000)],
    ['replaced modules', 'dep\tx\ty\n=>\tx\ty\t\n'.repeat(61_000)],
    ['settings', Array.from({ length: 80_000 }, (_, index) => `build\t${index}=\n`).join('')],
    ['lines', '\n'.repeat(1_040_000)],
  ])('takes less than 256 MiB and a second for as many %s as allowed', async (_, modules) => {
    const content = inlineBuildInfo({ version: VERSION, modules });
    const bytes = buildElf({ machine: 'x86_64', sections: [{ name: '.go.buildinfo', content }] });
    const { bytes: peak, milliseconds, error } = await costOf(bytes, 'readGoBuildInfo');
    expect(error).toBeUndefined();
    expect(peak).toBeLessThan(256 * 1024 * 1024);
    expect(milliseconds).toBeLessThan(1000);
  });
});
