import { buildElf } from '@prebuilt/testing/elf';
import { describe, expect, it } from 'vitest';
import { readHeader } from './header.ts';
import { Reader } from './reader.ts';
import { type Section, sectionNamed, sectionOfType } from './sections.ts';
import { bytesSource } from './source.ts';

const SECTIONS = [
  { name: '.first', content: Buffer.from('one') },
  { name: '.first.more', type: 0x70000003, content: Buffer.from('two!') },
  { name: '.empty', type: 8, content: Buffer.alloc(0) },
];
// Offsets in the header of a 64-bit file.
const OFFSET = 40;
const ENTRY_SIZE = 58;
const COUNT = 60;
const NAMES = 62;
const HEADER_BYTES = 64;

const built = (machine: 'x86_64' | 's390' | 'arm' = 'x86_64'): Buffer =>
  buildElf({ machine, sections: SECTIONS });

async function find(bytes: Buffer, wanted: string | number): Promise<Section | undefined> {
  const reader = await Reader.of(bytesSource(bytes, 'file'));
  const header = await readHeader(reader);
  return typeof wanted === 'string'
    ? sectionNamed(reader, header, wanted)
    : sectionOfType(reader, header, wanted);
}

function patched(change: (bytes: Buffer, table: number) => void): Buffer {
  const bytes = built();
  change(bytes, Number(bytes.readBigUInt64LE(OFFSET)));
  return bytes;
}

describe('sectionNamed', () => {
  it.each(['x86_64', 's390', 'arm'] as const)(
    'finds a section by its full name in a file for %s',
    async (machine) => {
      const bytes = built(machine);
      for (const [name, text] of [
        ['.first', 'one'],
        ['.first.more', 'two!'],
      ] as const) {
        const { offset, size } = (await find(bytes, name)) as Section;
        expect(bytes.subarray(offset, offset + size).toString()).toBe(text);
      }
      expect(await find(bytes, '.firs')).toBeUndefined();
      expect(await find(bytes, '.first.more.')).toBeUndefined();
    },
  );

  it('skips a section without bytes in the file', async () => {
    expect(await find(built(), '.empty')).toBeUndefined();
  });

  it('finds no section in a file without section headers', async () => {
    expect(
      await find(
        patched((bytes) => bytes.writeBigUInt64LE(0n, OFFSET)),
        '.first',
      ),
    ).toBeUndefined();
  });

  it('takes the number of sections from the first one if the header says 0', async () => {
    const bytes = patched((each, table) => {
      each.writeUInt16LE(0, COUNT);
      each.writeBigUInt64LE(5n, table + 32);
    });
    expect(await find(bytes, '.first.more')).toMatchObject({ size: 4 });
  });

  it.each<[string, Buffer, string, string]>([
    [
      'headers of a wrong size',
      patched((bytes) => bytes.writeUInt16LE(40, ENTRY_SIZE)),
      'MALFORMED',
      '64 bytes, found 40',
    ],
    [
      '65,535 sections',
      patched((bytes) => bytes.writeUInt16LE(65_535, COUNT)),
      'MALFORMED',
      'are more than 16384',
    ],
    [
      'too many sections according to the first one',
      patched((bytes, table) => {
        bytes.writeUInt16LE(0, COUNT);
        bytes.writeBigUInt64LE(65_281n, table + 32);
      }),
      'MALFORMED',
      '65281 sections',
    ],
    [
      'names in a section that does not exist',
      patched((bytes) => bytes.writeUInt16LE(9, NAMES)),
      'MALFORMED',
      'in section 9',
    ],
    [
      'names in a section without bytes',
      patched((bytes) => bytes.writeUInt16LE(3, NAMES)),
      'MALFORMED',
      'in section 3',
    ],
    [
      'more than 1 MiB of names',
      patched((bytes, table) => bytes.writeBigUInt64LE(2n ** 21n, table + 4 * HEADER_BYTES + 32)),
      'MALFORMED',
      '2097152 bytes of section names',
    ],
    [
      'names outside of the file',
      patched((bytes, table) => bytes.writeBigUInt64LE(2n ** 40n, table + 4 * HEADER_BYTES + 24)),
      'TRUNCATED',
      'the names of the sections',
    ],
    [
      'headers outside of the file',
      patched((bytes) => bytes.writeBigUInt64LE(2n ** 63n, OFFSET)),
      'TRUNCATED',
      'section header table',
    ],
    ['headers cut short', built().subarray(0, -1), 'TRUNCATED', 'section header table'],
  ])('refuses %s', async (_, bytes, code, says) => {
    await expect(find(bytes, '.first')).rejects.toMatchObject({
      code,
      message: expect.stringContaining(says),
    });
  });
});

describe('sectionOfType', () => {
  it('finds the first section of a type', async () => {
    expect(await find(built(), 0x70000003)).toMatchObject({ size: 4 });
    expect(await find(built(), 0x70000004)).toBeUndefined();
  });
});
