import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { deriveSources } from './apt-sources.ts';
import { EngineError } from './errors.ts';

const deb822 = (text: string) => [{ path: '/etc/apt/sources.list.d/debian.sources', text }];
const oneLine = (text: string) => [{ path: '/etc/apt/sources.list', text }];

describe('deriveSources', () => {
  it('deriveSources keeps mirrors and keyrings of deb822 sources and replaces the suites', () => {
    const text = `Types: deb deb-src
# a comment
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main contrib
Signed-By: /usr/share/keyrings/debian.gpg

Types: deb
URIs: http://mirror.example/debian-security/
Suites: bookworm-security
Components: main
`;
    expect(deriveSources(deb822(text), 'bookworm', 'trixie')).toBe(`Types: deb
URIs: http://mirror.example/debian
Suites: trixie trixie-updates
Components: main
Signed-By: /usr/share/keyrings/debian.gpg

Types: deb
URIs: http://mirror.example/debian-security/
Suites: trixie-security
Components: main
`);
  });

  it('deriveSources reads one-line sources with options', () => {
    const text =
      'deb [arch=amd64 signed-by=/k/debian.gpg] https://mirror.example/debian bookworm main non-free # x\n';
    expect(deriveSources(oneLine(text), 'bookworm', 'trixie')).toBe(
      'Types: deb\nURIs: https://mirror.example/debian\nSuites: trixie\nComponents: main\nSigned-By: /k/debian.gpg\n',
    );
  });

  it('deriveSources keeps an inline key', () => {
    const text =
      'Types: deb\nURIs: http://m.example/debian\nSuites: bookworm\nComponents: main\nSigned-By:\n -----BEGIN\n .\n x\n';
    expect(deriveSources(deb822(text), 'bookworm', 'trixie')).toContain('Signed-By: \n -----BEGIN\n .\n x\n');
  });

  it.each([
    ['another vendor', oneLine('deb https://apt.example/tools bookworm main')],
    ['another component', oneLine('deb https://mirror.example/debian bookworm contrib')],
    ['another suite', oneLine('deb https://mirror.example/debian stable main')],
    ['a suite with a longer name', oneLine('deb https://mirror.example/debian bookworm-pgdg main')],
    ['sources only', oneLine('deb-src https://mirror.example/debian bookworm main')],
    ['a comment', oneLine('# deb https://mirror.example/debian bookworm main')],
    [
      'a disabled entry',
      deb822('Enabled: no\nTypes: deb\nURIs: http://m.example/debian\nSuites: bookworm\nComponents: main\n'),
    ],
    ['no file', []],
  ])('deriveSources refuses %s', (_, files) => {
    expect(() => deriveSources(files, 'bookworm', 'trixie')).toThrow(
      expect.objectContaining({ code: 'NO_DEBIAN_SOURCE' }),
    );
  });

  it('deriveSources survives any text', () => {
    const line = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.constantFrom(
        'Types: deb',
        'URIs: http://m.example/debian',
        'Suites: bookworm',
        'Components: main',
        'Signed-By: a\n b',
        '',
        ' ',
        'deb [a=b] http://m.example/debian bookworm main',
      ),
    );
    fc.assert(
      fc.property(fc.array(line), fc.boolean(), (lines, list) => {
        const files = list ? oneLine(lines.join('\n')) : deb822(lines.join('\n'));
        try {
          expect(deriveSources(files, 'bookworm', 'trixie')).not.toMatch(/^Suites:.*bookworm/m);
        } catch (error) {
          expect(error).toBeInstanceOf(EngineError);
        }
      }),
    );
  });
});
