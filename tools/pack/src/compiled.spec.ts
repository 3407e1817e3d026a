import { describe, expect, it } from 'vitest';
import { publishedPath, rewritePaths } from './compiled.ts';

const SOURCES = new Set(['src/plugin.ts', 'src/a/thread.ts', 'src/a/schema.json', 'src/hasher.cjs']);

describe('the place of a source in the published package', () => {
  it.each([
    ['src/a/thread.ts', 'dist/a/thread.js'],
    ['src/a/schema.json', 'dist/a/schema.json'],
    ['src/hasher.cjs', 'dist/hasher.cjs'],
    ['src/a.d.ts', 'dist/a.d.ts'],
    ['executors.json', 'executors.json'],
    ['schemas/src/a.ts', 'schemas/src/a.ts'],
  ])('the place of a source in the published package of %s is %s', (source, expected) => {
    expect(publishedPath(source)).toBe(expected);
  });
});

describe('a relative path in a literal', () => {
  it.each([
    ['of a worker', 'src/a/client.ts', "new URL('./thread.ts', here)", "new URL('./thread.js', here)"],
    ['of a folder above', 'src/a/client.ts', '"../plugin.ts"', '"../plugin.js"'],
    ['of a file beside the sources', 'executors.json', '"./src/a/thread.ts"', '"./dist/a/thread.js"'],
    ['of a schema', 'executors.json', '"./src/a/schema.json"', '"./dist/a/schema.json"'],
    ['with an export’s name', 'executors.json', '"./src/hasher.cjs#hash"', '"./dist/hasher.cjs#hash"'],
  ])('%s leads to the published file', (_, path, text, expected) => {
    expect(rewritePaths(text, path, SOURCES)).toBe(expected);
  });

  it.each([
    ['that leads to no source', "'./src/main.ts'"],
    ['that leads out of the package', "'../../../../etc/thread.ts'"],
    ['that another word comes before', "'see ./thread.ts'"],
  ])('%s stays', (_, text) => {
    expect(rewritePaths(text, 'src/a/client.ts', SOURCES)).toBe(text);
  });
});
