import { expect, it } from 'vitest';
import { tableLines } from './table.ts';

it('a table has a title for each column, and right-aligned numbers', () => {
  expect(tableLines(['file', '>bytes', ''], [['server', 12, 'uploaded']])).toEqual([
    '| file | bytes | |',
    '| - | -: | - |',
    '| server | 12 | uploaded |',
  ]);
});

it.each([
  ['a bar', 'a|b', String.raw`a\|b`],
  ['an escaped bar', String.raw`a\|b`, String.raw`a\|b`],
  ['a bar after an escaped backslash', String.raw`a\\|b`, String.raw`a\\\|b`],
  ['a line break', 'a\r\nb', 'a b'],
])('a cell with %s stays one cell', (_, cell, expected) => {
  expect(tableLines(['x'], [[cell]]).at(-1)).toBe(`| ${expected} |`);
});
