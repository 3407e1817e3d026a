import { describe, expect, it } from 'vitest';
import { parseDistribution, requireDebian } from './packages.ts';

describe('the distribution', () => {
  it.each([
    [
      'Debian 12',
      'PRETTY_NAME="Debian GNU/Linux 12"\nVERSION_CODENAME=bookworm\nID=debian\n',
      'debian',
      'bookworm',
    ],
    ['quoted values', 'ID="debian"\nVERSION_CODENAME="trixie"\n', 'debian', 'trixie'],
    ['nothing', '', '', ''],
  ])('the distribution is read from %s', (_, text, id, codename) => {
    expect(parseDistribution(text)).toEqual({ id, codename });
  });

  it('requireDebian accepts Debian 12 and 13', () => {
    requireDebian({ id: 'debian', codename: 'bookworm' });
    requireDebian({ id: 'debian', codename: 'trixie' });
  });

  it.each([
    [{ id: 'ubuntu', codename: 'noble' }, 'found ubuntu noble'],
    [{ id: 'debian', codename: 'bullseye' }, 'found debian bullseye'],
    [{ id: '', codename: '' }, 'found unknown'],
  ])('requireDebian refuses %j', (distribution, message) => {
    expect(() => requireDebian(distribution)).toThrow(
      expect.objectContaining({ code: 'NOT_DEBIAN', message: expect.stringContaining(message) }),
    );
  });
});
