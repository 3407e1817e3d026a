import { expect, it } from 'vitest';
import { withAddress } from './address.ts';

it.each([
  [
    'the URL of a page',
    'https://github.com/OWNER/mount-monitor/blob/main',
    'https://github.com/Acme/mounts/blob/main',
  ],
  ['an image, in lower case', 'ghcr.io/OWNER/mount-monitor:1.0.0', 'ghcr.io/acme/mounts:1.0.0'],
  ['the charts', 'oci://ghcr.io/OWNER/charts', 'oci://ghcr.io/acme/charts'],
  ['a reviewer', '/.github/ @OWNER', '/.github/ @Acme'],
  ['an instruction to fill it in, which stays', 'replace `OWNER`', 'replace `OWNER`'],
])('writes the address of a copy into %s', (_, text, expected) => {
  expect(withAddress(text, 'Acme/mounts')).toBe(expected);
});

it.each(['', 'acme', 'acme/a/b', 'https://github.com/acme/a'])(
  'refuses %j as the name of a repository',
  (repository) => {
    expect(() => withAddress('', repository)).toThrow(/expected owner\/name/);
  },
);
