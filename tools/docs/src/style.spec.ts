import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { ROOT, repositoryFiles } from './pages.ts';

/** Phrases that a native reader stumbles over in pages, messages, comments and titles, and what to say instead. */
const INSTEAD: readonly (readonly [RegExp, string])[] = [
  [/\bunless told\b/, 'defaults to …'],
  [/\btried again\b/, 'retried'],
  [/\bstands? twice\b/, 'is given twice'],
  [/\bparted by\b/, 'separated by'],
  [/\banew\b/, 'again'],
  [/\bthat can be told\b/, 'unknown'],
  [/\bis no name\b/, 'is not a valid name'],
  [/\bNothing of it was kept\b/, 'it was discarded'],
  [/\bone (report|row|run|line|image|folder) a (platform|benchmark|growth|target|mount)\b/i, 'one … per …'],
  [/\b(MOST|LEAST)_[A-Z]/, 'MAX_…, MIN_…'],
  [/, it did not\b/, 'did not …'],
  // American spelling.
  [/\b\w*(behaviour|honour|colour|neighbour|favour)/i, '…or'],
  [/\b\w*(summaris|normalis|localis|optimis|virtualis|recognis|organis|initialis|serialis)[ei]/i, '…ize'],
  [
    /\b(for ever|misspelt|learnt|labelled|judgement|artefact)\b/i,
    'forever, misspelled, learned, labeled, judgment, artifact',
  ],
];

const files = repositoryFiles().filter(
  (path) =>
    /\.(ts|md|json|ya?ml|tpl)$/.test(path) &&
    !/package-lock\.json$|\/fixtures\/|^bench\/results\.json$|style\.spec\.ts$/.test(path),
);

/** Finds a phrase in a text, even across the line breaks of prose or comments. */
function found(text: string, words: RegExp): readonly { readonly line: number; readonly said: string }[] {
  const joined = text.replaceAll(/\n[ \t]*(?:\*|\/\/|#)?(?=[ \t]*\S)/g, (end) => ' '.repeat(end.length));
  const anywhere = new RegExp(words.source.replaceAll(' ', '\\s+'), `g${words.flags}`);
  return [...joined.matchAll(anywhere)].map(({ index, 0: said }) => ({
    line: text.slice(0, index).split('\n').length,
    said: said.replaceAll(/\s+/g, ' '),
  }));
}

/** The lines that export a declaration without a comment before it. */
function bareExports(text: string): readonly string[] {
  const declaration =
    /^export (?:default |async |abstract )*(?:const|function|class|interface|type \w|enum)\b/;
  const lines = text.split('\n');
  return lines.filter((line, index) => declaration.test(line) && !lines[index - 1]?.endsWith('*/'));
}

it('pages, messages, comments and titles avoid phrases that no native speaker would use', () => {
  const all = files.flatMap((path) => {
    const text = readFileSync(join(ROOT, path), 'utf8');
    return INSTEAD.flatMap(([words, instead]) =>
      found(text, words).map(({ line, said }) => `${path}:${line}: ${said} → ${instead}`),
    );
  });
  expect(all).toEqual([]);
});

it('every export of a package that is published has a comment', () => {
  const bare = files
    .filter((path) => /^libs\/[^/]+\/src\/.*(?<!\.spec)\.ts$/.test(path))
    .flatMap((path) => bareExports(readFileSync(join(ROOT, path), 'utf8')).map((line) => `${path}: ${line}`));
  expect(bare).toEqual([]);
});

it('finds exports without a comment', () => {
  const text =
    '/** One. */\nexport const one = 1;\n\n// Two.\nexport async function two() {}\nexport { three };\n';
  expect(bareExports(text)).toEqual(['export async function two() {}']);
});

it('finds a phrase across a line break', () => {
  expect(found('/**\n * One, unless\n * told otherwise.\n */', /\bunless told\b/)).toEqual([
    { line: 2, said: 'unless told' },
  ]);
});
