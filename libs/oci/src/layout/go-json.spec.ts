import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { goJson, sortedMap } from './go-json.ts';

describe('goJson', () => {
  it('writes JSON as JSON.stringify does, except for the characters that Go escapes', () => {
    const name = fc.string().filter((text) => !/^\d+$/.test(text) && text !== '__proto__');
    const json = fc.letrec((tie) => ({
      value: fc.oneof(
        { depthSize: 'small' },
        fc.constant(null),
        fc.boolean(),
        fc.integer(),
        fc.string(),
        fc.array(tie('value')),
        fc.dictionary(name, fc.oneof(fc.constant(undefined), tie('value'))),
      ),
    })).value;
    fc.assert(
      fc.property(json, (value) => {
        const written = goJson(value);
        expect(written).not.toMatch(/[<>&\u2028\u2029]/);
        expect(JSON.parse(written)).toEqual(JSON.parse(JSON.stringify(value)));
        if (!/[<>&\u2028\u2029]/.test(JSON.stringify(value))) expect(written).toBe(JSON.stringify(value));
      }),
    );
  });

  it('writes a map with numeric keys in byte order, not in JavaScript order', () => {
    const labels = { '9': 'c', '-1': 'a', a: 'd', '10': 'b' };
    const expected = '{"-1":"a","10":"b","9":"c","a":"d"}';
    expect(goJson(sortedMap(labels))).toBe(expected);
    // As read back from a file that another program wrote.
    expect(goJson({ config: JSON.parse(expected) })).toBe(`{"config":${expected}}`);
  });
});
