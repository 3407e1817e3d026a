import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { OciError } from '../errors.ts';
import { nextPage } from './pages.ts';

const LIST = new URL('https://registry.example/v2/key/app/tags/list');

describe('nextPage', () => {
  it.each([
    ['</v2/key/app/tags/list?n=2&last=b>; rel="next"', '/v2/key/app/tags/list?n=2&last=b'],
    ['</v2/app/tags/list?last=b&n=2>; rel=next', '/v2/key/app/tags/list?last=b&n=2'],
    ['<http://10.0.0.1:5000/v2/app/tags/list?last=b>; rel="next"', '/v2/key/app/tags/list?last=b'],
    ['<?next_page=a%2Fb+c%20d~>;rel=next', '/v2/key/app/tags/list?next_page=a%2Fb+c%20d~'],
    [
      '</first?a=1>; rel="first", </n?a=2>; title="x, rel=next"; rel="last NEXT"',
      '/v2/key/app/tags/list?a=2',
    ],
    ['</v2/key/app/tags/list?last=b#top>; rel="next"', '/v2/key/app/tags/list?last=b'],
  ])('nextPage of %j keeps the path of the list', (header, target) => {
    const next = nextPage('list', header, LIST);
    expect(next?.target).toBe(target);
    expect(next?.url.origin).toBe(LIST.origin);
  });

  it.each([undefined, '', '</a?x=1>; rel="prev"', '</a?x=1>; title="rel=next"', 'nonsense', '</a?x=1'])(
    'there is no next page for %j',
    (header) => {
      expect(nextPage('list', header, LIST)).toBeUndefined();
    },
  );

  it('nextPage of a link without a query is an error, not the end of the list', () => {
    expect(() => nextPage('list', '<http://[>; rel="next"', LIST)).toThrow(
      expect.objectContaining({ code: 'REGISTRY_RESPONSE' }),
    );
  });

  it('nextPage of any header is an address in the list, undefined, or a typed error', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (target, rest) => {
        try {
          const next = nextPage('list', `<${target}>; rel="next" ${rest}`, LIST);
          expect(next === undefined || next.url.origin === LIST.origin).toBe(true);
          if (next !== undefined) expect(next.target).toMatch(/^\/v2\/key\/app\/tags\/list\?[\x21-\x7e]*$/);
        } catch (error) {
          expect(error).toBeInstanceOf(OciError);
        }
      }),
    );
  });
});
