import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseChallenges } from './challenge.ts';
import { covers, formatScopes, joinScopes, parseScopes } from './scopes.ts';

const plain = (header: string | undefined): unknown =>
  parseChallenges(header).map(({ scheme, parameters }) => [scheme, Object.fromEntries(parameters)]);

describe('parseChallenges', () => {
  it.each([
    ['Basic realm="x"', [['basic', { realm: 'x' }]]],
    [
      'Bearer realm="https://auth.example/token",service="registry",scope="repository:a/b:pull,push"',
      [
        [
          'bearer',
          { realm: 'https://auth.example/token', service: 'registry', scope: 'repository:a/b:pull,push' },
        ],
      ],
    ],
    ['bearer realm=https://auth.example/token', [['bearer', { realm: 'https://auth.example/token' }]]],
    [
      'Negotiate, Basic realm="a, b"',
      [
        ['negotiate', {}],
        ['basic', { realm: 'a, b' }],
      ],
    ],
    [
      'Negotiate YII/+==, Bearer realm="x"',
      [
        ['negotiate', {}],
        ['bearer', { realm: 'x' }],
      ],
    ],
    [
      'Basic realm="a \\"b\\", c" , BEARER  Realm = "x" ,service=y',
      [
        ['basic', { realm: 'a "b", c' }],
        ['bearer', { realm: 'x', service: 'y' }],
      ],
    ],
    [
      ', ,Basic realm="x",, Negotiate',
      [
        ['basic', { realm: 'x' }],
        ['negotiate', {}],
      ],
    ],
    ['Bearer realm="x",realm="y"', [['bearer', { realm: 'x' }]]],
    ['Bearer service="x"', [['bearer', { service: 'x' }]]],
    ['Basic realm="never closed', [['basic', {}]]],
    ['Negotiate', [['negotiate', {}]]],
    ['"', []],
    ['', []],
    [undefined, []],
  ] as const)('reads %j', (header, expected) => {
    expect(plain(header)).toEqual(expected);
  });

  const name = fc.stringMatching(/^[a-z]{1,8}$/);
  it('reads back any list of challenges written in standard form', () => {
    const parameters = fc.uniqueArray(fc.tuple(name, fc.string()), {
      selector: ([key]) => key,
      maxLength: 4,
    });
    fc.assert(
      fc.property(fc.array(fc.tuple(name, parameters), { maxLength: 4 }), (challenges) => {
        const header = challenges
          .map(([scheme, list]) => {
            const written = list.map(([key, value]) => `${key}="${value.replaceAll(/["\\]/g, '\\$&')}"`);
            return `${scheme} ${written.join(', ')}`.trim();
          })
          .join(', ');
        expect(plain(header)).toEqual(challenges.map(([scheme, list]) => [scheme, Object.fromEntries(list)]));
      }),
    );
  });

  it('parseChallenges accepts any text', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary' }), (header) => void parseChallenges(header)));
  });
});

describe('scopes', () => {
  it('joinScopes merges needed and requested scopes without duplicates', () => {
    const both = joinScopes(
      parseScopes('repository:a/b:pull,push'),
      parseScopes('repository:a/b:pull registry:catalog:*'),
    );
    expect(formatScopes(both)).toEqual(['repository:a/b:pull,push', 'registry:catalog:*']);
  });

  it('scopes without actions are kept', () => {
    expect(formatScopes(joinScopes(parseScopes('*'), parseScopes('repository:host:5000/a:pull')))).toEqual([
      '*',
      'repository:host:5000/a:pull',
    ]);
  });

  it('covers accepts only scopes that are included', () => {
    const held = parseScopes('repository:a:pull,push repository:b:*');
    expect(covers(held, parseScopes('repository:a:pull'))).toBe(true);
    expect(covers(held, parseScopes('repository:b:delete'))).toBe(true);
    expect(covers(held, parseScopes('repository:a:delete'))).toBe(false);
    expect(covers(held, parseScopes('repository:c:pull'))).toBe(false);
  });

  it('any texts parse as scopes, and their union covers both', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (one, other) => {
        const [left, right] = [parseScopes(one), parseScopes(other)];
        const both = joinScopes(left, right);
        expect(covers(both, left) && covers(both, right)).toBe(true);
      }),
    );
  });
});
