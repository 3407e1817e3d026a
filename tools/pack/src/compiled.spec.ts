import { describe, expect, it } from 'vitest';
import { publishedPath, rewritePaths } from './compiled.ts';

const SOURCES = new Set(['src/plugin.ts', 'src/a/thread.ts', 'src/a/schema.json', 'src/hasher.cjs']);

describe('publishedPath', () => {
  it.each([
    ['src/a/thread.ts', 'dist/a/thread.js'],
    ['src/a/schema.json', 'dist/a/schema.json'],
    ['src/hasher.cjs', 'dist/hasher.cjs'],
    ['src/a.d.ts', 'dist/a.d.ts'],
    ['executors.json', 'executors.json'],
    ['schemas/src/a.ts', 'schemas/src/a.ts'],
  ])('%s is published as %s', (source, expected) => {
    expect(publishedPath(source)).toBe(expected);
  });
});

describe('a relative path in a literal', () => {
  it.each([
    ['to a worker', 'src/a/client.ts', "new URL('./thread.ts', here)", "new URL('./thread.js', here)"],
    ['to a parent folder', 'src/a/client.ts', '"../plugin.ts"', '"../plugin.js"'],
    ['in a file outside the sources', 'executors.json', '"./src/a/thread.ts"', '"./dist/a/thread.js"'],
    ['to a schema', 'executors.json', '"./src/a/schema.json"', '"./dist/a/schema.json"'],
    ['with the name of an export', 'executors.json', '"./src/hasher.cjs#hash"', '"./dist/hasher.cjs#hash"'],
  ])('a relative path %s is rewritten to the published file', (_, path, text, expected) => {
    expect(rewritePaths(text, path, SOURCES)).toBe(expected);
  });

  it.each([
    ['that is not a source', "'./src/main.ts'"],
    ['out of the package', "'../../../../etc/thread.ts'"],
    ['preceded by another word', "'see ./thread.ts'"],
  ])('a relative path %s stays unchanged', (_, text) => {
    expect(rewritePaths(text, 'src/a/client.ts', SOURCES)).toBe(text);
  });
});
