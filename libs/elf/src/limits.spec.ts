import { buildElf } from '@prebuilt/testing/elf';
import { describe, expect, it } from 'vitest';
import { costOf } from '../testing/cost.ts';
import type { ElfFacts } from './elf.ts';

describe('readElf', () => {
  it('takes less than 256 MiB and a second for a file with the most and longest names allowed', async () => {
    const { bytes, milliseconds, value } = await costOf(greedyFile(), 'readElf');
    const { needed, versionNeeds } = value as ElfFacts;
    expect(needed).toHaveLength(4096);
    expect(Object.values(versionNeeds).flat()).toHaveLength(4095);
    expect(bytes).toBeLessThan(256 * 1024 * 1024);
    expect(milliseconds).toBeLessThan(1000);
  });
});

/** 4,096 needed libraries and 4,095 versions with distinct names of 4,094 characters, in 32 MiB of strings. */
function greedyFile(): Buffer {
  const strings = Buffer.alloc(32 * 1024 * 1024, 'x');
  const text = (index: number): number => index * 4095 + 1;
  for (let index = 0; text(index) < strings.length; index += 1) {
    strings[text(index) - 1] = 0;
    strings.write(`${index}-`, text(index), 'latin1');
  }
  strings[strings.length - 1] = 0;
  const needs = Buffer.alloc(16 + 4095 * 16);
  needs.writeUInt16LE(4095, 2);
  needs.writeUInt32LE(text(0), 4);
  needs.writeUInt32LE(16, 8);
  for (let index = 0; index < 4095; index += 1) {
    needs.writeUInt32LE(text(4096 + index), 16 + index * 16 + 8);
    needs.writeUInt32LE(index === 4094 ? 0 : 16, 16 + index * 16 + 12);
  }
  const head = Buffer.alloc(64 + 2 * 56);
  const dynamic = Buffer.alloc((4096 + 5) * 16);
  const stringsAt = head.length + dynamic.length + needs.length;
  const tags = [
    [5, stringsAt],
    [10, strings.length],
    [0x6ffffffe, head.length + dynamic.length],
    [0x6fffffff, 1],
    ...Array.from({ length: 4096 }, (_, index) => [1, text(index)]),
  ] as const;
  for (const [index, [tag, value]] of tags.entries()) {
    dynamic.writeUInt32LE(tag ?? 0, index * 16);
    dynamic.writeUInt32LE(value ?? 0, index * 16 + 8);
  }
  buildElf({ machine: 'x86_64' }).copy(head, 0, 0, 64);
  head.writeUInt16LE(2, 56);
  for (const [index, [type, offset, size]] of [
    [1, 0, stringsAt + strings.length] as const,
    [2, head.length, dynamic.length] as const,
  ].entries()) {
    const at = 64 + index * 56;
    head.writeUInt32LE(type, at);
    head.writeUInt32LE(offset, at + 8);
    head.writeUInt32LE(offset, at + 16);
    head.writeUInt32LE(size, at + 32);
  }
  return Buffer.concat([head, dynamic, needs, strings]);
}
