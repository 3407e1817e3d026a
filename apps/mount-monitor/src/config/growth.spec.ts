import { type CountedWork, countWork } from '@prebuilt/testing/counted-work';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseConfig } from './config.ts';
import { durationPattern } from './duration.ts';

/** Files that take the most work for their size; each function makes one of about that many bytes. */
const shapes: Readonly<Record<string, (bytes: number) => string>> = {
  'mounts of one path': (bytes) => mounts(bytes, () => '{"path":"/a"}'),
  'mounts of one name': (bytes) => mounts(bytes, (index) => `{"path":"/${index}","name":"n"}`),
  'mounts whose names are each other’s with a number': (bytes) =>
    mounts(bytes, (index) => `{"path":"/${index}","name":"n${index % 2 === 0 ? '' : ` #${index}`}"}`),
  'mounts without a path': (bytes) => mounts(bytes, () => '{}'),
  'mounts that are not objects': (bytes) => mounts(bytes, () => '0'),
  'unknown keys': (bytes) =>
    `{${list(bytes, (index) => `"failureTreshold${index}":0`)},"mounts":[{"path":"/a"}]}`,
  'keys that differ in case': (bytes) =>
    `{${list(bytes, (index) => `"${cased('checkinterval', index)}":0`)}}`,
  'a long duration without a unit': (bytes) => `{"checkInterval":"${'1'.repeat(bytes)}x"}`,
  'a long duration of many parts': (bytes) => `{"checkInterval":"${'1s'.repeat(bytes / 2)}x"}`,
  'a long duration of many dots': (bytes) => `{"checkInterval":"${'1.1'.repeat(bytes / 3)}"}`,
  'deep lists': (bytes) => '['.repeat(bytes),
  'deep objects': (bytes) => '{"a":'.repeat(bytes / 5),
  'wide values in place of a string': (bytes) => `{"logLevel":[${list(bytes, () => '[[]]')}]}`,
  'a long canary path': (bytes) => `{"canaryFile":"${'a/../'.repeat(bytes / 5)}","mounts":[{"path":"/a"}]}`,
  'a long path': (bytes) => `{"mounts":[{"path":"${'/a/..'.repeat(bytes / 5)}"}]}`,
  'a long host': (bytes) => `{"httpHost":"${'a.'.repeat(bytes / 2)}!","mounts":[{"path":"/a"}]}`,
  'white space': (bytes) => `${' '.repeat(bytes)}x`,
};

function list(bytes: number, item: (index: number) => string): string {
  const items: string[] = [];
  for (let length = 0; length < bytes; length += (items.at(-1)?.length ?? 0) + 1)
    items.push(item(items.length));
  return items.join(',');
}

function mounts(bytes: number, item: (index: number) => string): string {
  return `{"mounts":[${list(bytes, item)}]}`;
}

function cased(key: string, index: number): string {
  return [...key].map((letter, place) => ((index >> place) & 1 ? letter.toUpperCase() : letter)).join('');
}

describe('parsing', () => {
  it('a 1 MiB file of any shape is parsed in reasonable time', { timeout: 60_000 }, () => {
    for (const make of Object.values(shapes)) {
      try {
        parseConfig(make(1024 * 1024 - 1024), 'c.json', { workingDirectory: '/' });
      } catch (error) {
        expect(error).toHaveProperty('code', expect.stringMatching(/^(syntax|invalid)$/));
      }
    }
  });

  it('a duration matches in only one way, without backtracking', () => {
    // Backtracking over a text of n digits would take n² steps instead of n, which is minutes for these.
    for (const text of [
      `${'1'.repeat(1_000_000)}x`,
      `${'1s'.repeat(500_000)}x`,
      `${'.1s'.repeat(300_000)}.`,
    ]) {
      expect(durationPattern.test(text)).toBe(false);
    }
  });
});

// Keep this last: counting slows down everything in this process.
describe('parsing work', () => {
  let counted: CountedWork;
  beforeAll(async () => {
    counted = await countWork('/mount-monitor/src/config/');
  });
  afterAll(() => counted[Symbol.asyncDispose]());
  const workOf = (text: string) =>
    // Most of these files are rejected; only the work that takes matters.
    counted.blocksOf(() => parseConfig(text, 'c.json', { workingDirectory: '/' }));

  it.each(Object.keys(shapes))('parsing grows linearly with the size of %s', async (shape) => {
    const make = shapes[shape] ?? String;
    const small = await workOf(make(16 * 1024));
    const large = await workOf(make(128 * 1024));
    // The size is eight times as large. A quadratic part would make the work sixty-four times as large.
    expect(large).toBeLessThan(12 * Math.max(small, 1000));
  });
});
