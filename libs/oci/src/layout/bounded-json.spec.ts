import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseBoundedJson } from './bounded-json.ts';

const outcomeOf = (parse: (text: string) => unknown, text: string): unknown => {
  try {
    return parse(text);
  } catch (error) {
    return (error as Error).name;
  }
};

describe('JSON from outside', () => {
  it('JSON from outside is read just as JSON.parse reads it', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.json(),
          fc.string(),
          fc.json().map((text) => text.slice(1)),
        ),
        (text) => {
          expect(outcomeOf(parseBoundedJson, text)).toEqual(outcomeOf(JSON.parse, text));
        },
      ),
    );
  });

  it('JSON from outside may contain anything in its strings', () => {
    const text = JSON.stringify({ a: `\\"${'[{,'.repeat(300_000)}\\`, b: ['\\\\', '"'] });
    expect(parseBoundedJson(text)).toEqual(JSON.parse(text));
  });

  it.each([
    ['values', `[${'0,'.repeat(200_000)}0]`, 'more than 200000 values'],
    ['empty objects', `[${'{},'.repeat(150_000)}0]`, 'more than 200000 values'],
    ['levels', `${'['.repeat(101)}${']'.repeat(101)}`, 'more than 100 levels'],
  ])('JSON from outside is refused if it has too many %s', (_, text, message) => {
    expect(() => parseBoundedJson(text)).toThrow(new SyntaxError(message));
  });
});
