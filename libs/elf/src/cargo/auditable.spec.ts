import { deflateSync } from 'node:zlib';
import { buildElf } from '@prebuilt/testing/elf';
import { describe, expect, it } from 'vitest';
import { costOf } from '../../testing/cost.ts';
import { readMutations } from '../../testing/mutations.ts';
import { bytesSource } from '../source.ts';
import { readCargoAuditable } from './auditable.ts';

const file = (content: Uint8Array, wanted: { readonly stripped?: boolean; readonly machine?: 's390' } = {}) =>
  bytesSource(buildElf({ machine: 'x86_64', sections: [{ name: '.dep-v0', content }], ...wanted }), 'file');
const json = (value: unknown): Buffer => deflateSync(JSON.stringify(value));

// As the crate auditable-serde writes it: defaults are left out.
const WRITTEN = {
  format: 1,
  packages: [
    { name: 'cc', version: '1.0.83', source: 'crates.io', kind: 'build' },
    { name: 'hello', version: '0.1.0', source: 'local', dependencies: [0, 2], root: true },
    { name: 'libc', version: '0.2.150', source: 'crates.io' },
  ],
};
const READ = {
  format: 1,
  packages: [
    { name: 'cc', version: '1.0.83', source: 'crates.io', kind: 'build', root: false, dependencies: [] },
    { name: 'hello', version: '0.1.0', source: 'local', kind: 'runtime', root: true, dependencies: [0, 2] },
    { name: 'libc', version: '0.2.150', source: 'crates.io', kind: 'runtime', root: false, dependencies: [] },
  ],
};
const NAMED = { name: 'a', version: '1.0.0', source: 'local' };

const PACKAGES = expect.objectContaining({ format: 0 });
const DEEP = `${'['.repeat(500_000)}${']'.repeat(500_000)}`;

describe('readCargoAuditable', () => {
  it('reads the packages of an executable', async () => {
    expect(await readCargoAuditable(file(json(WRITTEN)))).toEqual(READ);
    expect(await readCargoAuditable(file(json(WRITTEN), { machine: 's390' }))).toEqual(READ);
  });

  it('reads a list without a format as the first format', async () => {
    expect(await readCargoAuditable(file(json({ packages: [] })))).toEqual({ format: 0, packages: [] });
  });

  it('returns null without the section or without section headers', async () => {
    const plain = buildElf({ machine: 'x86_64', sections: [{ name: '.dep-v01', content: json(WRITTEN) }] });
    expect(await readCargoAuditable(bytesSource(plain, 'file'))).toBeNull();
    expect(await readCargoAuditable(file(json(WRITTEN), { stripped: true }))).toBeNull();
  });

  it.each<[string, Uint8Array, string]>([
    ['data that zlib did not write', Buffer.from('{"packages":[]}'), "can't be unpacked"],
    ['data that ends early', json(WRITTEN).subarray(0, 40), "can't be unpacked"],
    [
      'data that unpacks to more than 1 MiB',
      deflateSync(Buffer.alloc(2 * 1024 * 1024)),
      "can't be unpacked to at most 1048576",
    ],
    ['a section of more than 1 MiB', Buffer.alloc(1024 * 1024 + 1), '.dep-v0 of 1048577 bytes'],
    ['text that is not JSON', deflateSync('packages'), '.dep-v0: '],
    ['bytes that are not UTF-8', deflateSync(Buffer.from([0x22, 0xff, 0x22])), '.dep-v0: '],
    ['a list at the top level', json([]), 'packages: expected a list, found nothing'],
    ['no object at the top level', json(null), 'expected an object, found null'],
    ['a format as a string', json({ format: '1', packages: [] }), 'format: expected a number, found "1"'],
    ['a package that is a string', json({ packages: ['a'] }), 'packages[0]: expected an object, found "a"'],
    [
      'a package without a name',
      json({ packages: [{ ...NAMED, name: 1 }] }),
      'packages[0].name: expected a string',
    ],
    ['a package without a version', json({ packages: [{ ...NAMED, version: null }] }), 'packages[0].version'],
    ['a source that is an object', json({ packages: [{ ...NAMED, source: {} }] }), 'packages[0].source'],
    [
      'an unknown kind',
      json({ packages: [{ ...NAMED, kind: 'dev' }] }),
      'expected runtime or build, found "dev"',
    ],
    ['a list as a kind', json({ packages: [{ ...NAMED, kind: ['build'] }] }), 'found a list of 1'],
    ['a root that is a number', json({ packages: [{ ...NAMED, root: 1 }] }), 'packages[0].root'],
    [
      'a dependency outside of the list',
      json({ packages: [{ ...NAMED, dependencies: [1] }] }),
      'numbers below 1',
    ],
    ['a dependency below zero', json({ packages: [{ ...NAMED, dependencies: [-1] }] }), 'numbers below 1'],
  ])('refuses %s', async (_, content, says) => {
    await expect(readCargoAuditable(file(content))).rejects.toMatchObject({
      name: 'ElfError',
      code: 'MALFORMED',
      message: expect.stringContaining(says),
    });
  });

  it('returns packages or an ElfError for any change to a file', async () => {
    const bytes = buildElf({ machine: 'arm', sections: [{ name: '.dep-v0', content: json(WRITTEN) }] });
    const { slowest, errors, answers } = await readMutations(bytes, [readCargoAuditable], 500);
    expect(slowest).toBeLessThan(1000);
    expect(Math.min(errors, answers)).toBeGreaterThan(0);
  });

  // Each is just below the 1 MiB limit.
  it.each<[string, string, unknown]>([
    ['packages', `{"packages":[${list('{"name":"","version":"","source":""}', 28_000)}]}`, PACKAGES],
    [
      'packages with a dependency each',
      `{"packages":[${list('{"name":"","version":"","source":"","dependencies":[0]}', 18_000)}]}`,
      PACKAGES,
    ],
    ['empty objects', `{"packages":[${list('{}', 345_000)}]}`, 'MALFORMED'],
    ['empty lists', `{"packages":[${list('[]', 345_000)}]}`, 'MALFORMED'],
    ['lists in lists', `{"packages":${DEEP}}`, 'MALFORMED'],
    ['lists in a format', `{"format":${DEEP}}`, 'MALFORMED'],
    ['lists in a kind', `{"packages":[{"name":"","version":"","source":"","kind":${DEEP}}]}`, 'MALFORMED'],
  ])('takes less than 256 MiB and a second for as many %s as allowed', async (_, text, answer) => {
    const bytes = buildElf({
      machine: 'x86_64',
      sections: [{ name: '.dep-v0', content: deflateSync(text) }],
    });
    const { bytes: peak, milliseconds, value, error } = await costOf(bytes, 'readCargoAuditable');
    expect(error ?? value).toEqual(answer);
    expect(peak).toBeLessThan(256 * 1024 * 1024);
    expect(milliseconds).toBeLessThan(1000);
  });
});

function list(each: string, count: number): string {
  return Array(count).fill(each).join(',');
}
