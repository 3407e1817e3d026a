import { buildElf } from '@prebuilt/testing/elf';
import { describe, expect, it } from 'vitest';
import type { ElfAbi } from './abi.ts';
import { readElf } from './elf.ts';
import { bytesSource } from './source.ts';

type Wanted = Parameters<typeof buildElf>[0];

const SHT_ARM_ATTRIBUTES = 0x70000003;
// In real files, Tag_CPU_name, a string, comes first.
const CPU_NAME = [5, ...Buffer.from('8-A\0')];

const abiOf = async (wanted: Wanted): Promise<ElfAbi> =>
  (await readElf(bytesSource(buildElf(wanted), 'file'))).abi;
const withAttributes = (content: Uint8Array, wanted: Partial<Wanted> = {}): Promise<ElfAbi> =>
  abiOf({
    machine: 'arm',
    sections: [{ name: '.ARM.attributes', type: SHT_ARM_ATTRIBUTES, content }],
    ...wanted,
  });

/** A vendor's attributes, by the tag of what they apply to: 1 is the file, 2 a section. */
function vendor(name: string, parts: readonly (readonly [number, readonly number[]])[], big = false): Buffer {
  const inner = parts.map(([tag, bytes]) => Buffer.from([tag, ...u32(bytes.length + 5, big), ...bytes]));
  const body = Buffer.concat([Buffer.from(`${name}\0`), ...inner]);
  return Buffer.concat([Buffer.from(u32(body.length + 4, big)), body]);
}

function u32(value: number, big: boolean): readonly number[] {
  const bytes = [value & 0xff, (value >> 8) & 0xff, 0, 0];
  return big ? bytes.toReversed() : bytes;
}

const section = (...vendors: readonly Buffer[]): Buffer => Buffer.concat([Buffer.from('A'), ...vendors]);
const ofFile = (bytes: readonly number[]): Buffer => section(vendor('aeabi', [[1, bytes]]));

describe('the ABI of a file', () => {
  it.each<[string, Wanted, Partial<ElfAbi>]>([
    ['arm with the soft-float flag', { machine: 'arm', flags: 0x05000200 }, { version: 5, float: 'soft' }],
    ['arm with the hard-float flag', { machine: 'arm', flags: 0x05000400 }, { version: 5, float: 'hard' }],
    ["arm with neither, as Go's linker writes it", { machine: 'arm', flags: 0x05000002 }, { version: 5 }],
    ['arm before the EABI', { machine: 'arm', flags: 0x2 }, {}],
    ['riscv without floating point', { machine: 'riscv', flags: 0x1 }, { float: 'soft' }],
    ['riscv with single floats', { machine: 'riscv', flags: 0x3 }, { float: 'single' }],
    ['riscv with double floats', { machine: 'riscv', flags: 0x5 }, { float: 'double' }],
    ['riscv with quad floats', { machine: 'riscv', flags: 0x7 }, { float: 'quad' }],
    ['ppc64 with ABI version 1', { machine: 'ppc64', byteOrder: 'big', flags: 1 }, { version: 1 }],
    ['ppc64 with ABI version 2', { machine: 'ppc64', flags: 2 }, { version: 2 }],
    ['s390 with flags', { machine: 's390', flags: 1 }, {}],
    ['x86_64', { machine: 'x86_64' }, {}],
  ])('the ABI of a file is read for %s', async (_, wanted, abi) => {
    expect(await abiOf(wanted)).toEqual({ version: null, float: null, architecture: null, ...abi });
  });

  it.each<[string, number, string]>([
    ['v5TE', 4, 'v5TE'],
    ['v6', 6, 'v6'],
    ['v6KZ', 7, 'v6KZ'],
    ['v7', 10, 'v7'],
    ['v8-A', 14, 'v8-A'],
    ['one that is unknown here', 99, 'Tag_CPU_arch_99'],
  ])('names the architecture %s of an arm file', async (_, value, architecture) => {
    expect(await withAttributes(ofFile([...CPU_NAME, 6, value]))).toMatchObject({ architecture });
  });

  it('takes the float ABI from the attributes if the flags do not specify it', async () => {
    expect(await withAttributes(ofFile([6, 10, 28, 1]))).toMatchObject({ float: 'hard' });
    expect(await withAttributes(ofFile([6, 10, 28, 1]), { flags: 0x200 })).toMatchObject({ float: 'soft' });
    expect(await withAttributes(ofFile([6, 10, 28, 0]))).toMatchObject({ float: null });
  });

  it("reads the attributes in the file's byte order", async () => {
    const content = section(vendor('aeabi', [[1, [6, 6]]], true));
    expect(await withAttributes(content, { byteOrder: 'big' })).toMatchObject({ architecture: 'v6' });
  });

  it('skips other vendors, section attributes, and strings', async () => {
    const long = [0xe1, 0x01, ...Buffer.from('a text of the odd tag 225\0')];
    const compatibility = [32, 1, ...Buffer.from('gnu\0')];
    const content = section(
      vendor('gnu', [[1, [6, 4]]]),
      vendor('aeabi', [
        [2, [6, 4]],
        [1, [...compatibility, ...long, 0xe2, 0x01, 0x80, 0x01, 6, 9]],
      ]),
    );
    expect(await withAttributes(content)).toMatchObject({ architecture: 'v6K' });
  });

  it.each<[string, Uint8Array, string]>([
    ['in another format', Buffer.from('B'), 'attributes in the unknown format 66'],
    ['in an empty section', Buffer.alloc(0), 'an empty attributes section'],
    ['larger than 64 KiB', Buffer.alloc(64 * 1024 + 1, 'A'), '65537 bytes of attributes'],
    ['that are truncated', ofFile([6, 10]).subarray(0, -1), 'longer than their section'],
    ['with a length of 0', Buffer.from('A\0\0\0\0aeabi\0'), 'longer than their section'],
    ['with an endless vendor', section(Buffer.from([9, 0, 0, 0, 0x61, 0x61, 0x61, 0x61, 0x61])), 'vendor'],
    ['that end before a value', ofFile([6]), 'an attribute is not a number'],
    ['with a number of 5 bytes', ofFile([0x80, 0x80, 0x80, 0x80, 1]), 'an attribute is not a number'],
    ['with an unterminated string', ofFile([5, 0x37]), 'is not terminated'],
  ])('an arm file is refused if it has attributes %s', async (_, content, says) => {
    await expect(withAttributes(content)).rejects.toMatchObject({
      code: 'MALFORMED',
      message: expect.stringContaining(says),
    });
  });
});
