import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseConfig } from './config.ts';
import { durationPattern } from './duration.ts';
import { parseJson } from './json.ts';

/** The parser before it was made linear: short, simple, and slow on malicious files. */
const former = {
  duration: /^[+-]?(0|((\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h))+)$/,
  ids: (wanted: readonly string[]): readonly string[] => {
    const taken = new Set<string>();
    for (const name of wanted) {
      let id = name;
      for (let number = 2; taken.has(id); number += 1) id = `${name} #${number}`;
      taken.add(id);
    }
    return [...taken];
  },
};

describe('linear parser', () => {
  it('the linear parser accepts the same durations as the former one', () => {
    const piece = fc.constantFrom(
      '0',
      '1',
      '25',
      '.',
      '.5',
      '1.',
      'ns',
      'us',
      'µs',
      'μs',
      'ms',
      's',
      'm',
      'h',
      'x',
    );
    const written = fc.tuple(fc.constantFrom('', '+', '-'), fc.array(piece, { maxLength: 8 }));
    const text = fc.oneof(
      written.map(([sign, pieces]) => sign + pieces.join('')),
      fc.string(),
    );
    let accepted = 0;
    fc.assert(
      fc.property(text, (duration) => {
        const takes = former.duration.test(duration);
        if (takes) accepted += 1;
        expect(durationPattern.test(duration)).toBe(takes);
      }),
      { numRuns: 5000 },
    );
    expect(accepted).toBeGreaterThan(50);
  });

  it('the linear parser accepts the same JSON as JSON.parse, up to the allowed depth', () => {
    // Brackets and quotes inside strings could mislead the depth check.
    const text = fc.string({ unit: fc.constantFrom('[', ']', '{', '}', '"', '\\', 'a') });
    const json = fc.jsonValue({ maxDepth: 5, stringUnit: 'binary' }).map((value) => JSON.stringify(value));
    const strings = text.map((value) => JSON.stringify({ [value]: [value] }));
    fc.assert(
      fc.property(fc.oneof(json, strings, text), (file) => {
        expect(outcomeOf(() => parseJson(file, 'c.json'))).toEqual(outcomeOf(() => JSON.parse(file)));
      }),
      { numRuns: 2000 },
    );
  });

  it('the linear parser gives mounts the same IDs as the former one', () => {
    const name = fc.constantFrom('a', 'b', 'a #2', 'a #3', 'a #2 #2', 'b #2');
    fc.assert(
      fc.property(fc.array(name, { minLength: 1, maxLength: 30 }), (names) => {
        const mounts = names.map((wanted, index) => ({ path: `/${index}`, name: wanted }));
        const { config } = parseConfig(JSON.stringify({ mounts }), 'c.json', { workingDirectory: '/' });
        expect(config.mounts.map(({ id }) => id)).toEqual(former.ids(names));
      }),
      { numRuns: 1000 },
    );
  });
});

function outcomeOf(parse: () => unknown): unknown {
  try {
    return { value: parse() };
  } catch {
    return 'refused';
  }
}
