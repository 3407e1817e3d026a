import { createHash } from 'node:crypto';

// The SHA-256 of each license's text, normalized by `wordsOf`. https://spdx.org/licenses/
const KNOWN: Readonly<Record<string, string>> = {
  c876a853e3837603a39d56da29306b74786b34411bf636ce5072eb840e764cab: 'Apache-2.0',
  '986c3c3199a93b916c8f2e0aeed57819bcbdcb2cd9d99902dcc9d74b53f93a74': 'BSD-2-Clause',
  cee4bdbacf0edd7ccd645ec7c6ffbf75f647a1a122d1348114adb33458758c82: 'BSD-3-Clause',
  '217da0747cec63a2e734185db11cbaa819bcd9e5b83cd12f812128fffe66e26a': 'ISC',
  '0cf21bdfd1964a97a8615e128534845826afbc887edc95aa5c925cbf64386b5c': 'MIT',
  c0f855aacb6ac1c86bcdd1334db61014d14898798ae14888fea5446cbb9d32e3: 'MPL-2.0',
};

const BSD = 'redistribution and use in source and binary forms';

// How the text of a license begins, after its name and the copyright lines.
const BEGINNINGS = [
  'permission is hereby granted free of charge',
  'permission to use copy modify and or distribute',
  BSD,
  'terms and conditions for use reproduction and distribution',
  '1 definitions 1 1 contributor',
];

// The only lines allowed before it: anything else could change the license's meaning.
const HEADING =
  /^(?:\W*$|copyright\b|\(c\)|©|all rights reserved|portions copyright|\W*(?:the )?[a-z0-9 .,"'-]{0,50}(?:license|licence)\b(?:,? version [\d.]+)?\W*(?:\([a-z\d -]+\)\W*)?$|version 2\.0\b|https?:)/i;

/** The appendix of the Apache license, on how to apply it. */
const APPENDIX = /^(?:$|appendix how to apply the apache license to your work )/;
const MAX_APPENDIX_CHARACTERS = 1600;
const MAX_CHARACTERS = 64 * 1024;
const MAX_HEADING_LINES = 40;

/**
 * The SPDX identifier of a license, if the text is that license word for word; undefined for any other text, and if
 * anything else precedes or follows it. Line breaks, punctuation and the owners' names are ignored.
 */
export function licenseOf(text: string): string | undefined {
  if (text.length > MAX_CHARACTERS) return undefined;
  const lines = text.split('\n').map((line) => line.trim());
  for (let index = 0; index < Math.min(lines.length, MAX_HEADING_LINES); index += 1) {
    const rest = wordsOf(lines.slice(index).join(' '));
    if (BEGINNINGS.some((beginning) => rest.startsWith(beginning))) {
      return KNOWN[createHash('sha256').update(bodyOf(rest)).digest('hex')];
    }
    if (!HEADING.test(lines[index] ?? '')) return undefined;
  }
  return undefined;
}

function bodyOf(words: string): string {
  const [body = '', appendix] = words.split(/ end of terms and conditions ?/, 2);
  if (appendix === undefined) return words;
  return APPENDIX.test(appendix) && appendix.length < MAX_APPENDIX_CHARACTERS ? body : words;
}

function wordsOf(text: string): string {
  const words = text
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, ' ')
    .trim()
    .replaceAll(/\bhttps\b/g, 'http');
  if (!words.startsWith(BSD)) return words;
  // With or without list numbers, and with any owner's name.
  return words
    .replaceAll(/ [1-4] (?=redistributions |neither )/g, ' ')
    .replace(/ neither the names? of .{1,100}? nor the names of (?:its |project )?contributors /, ' neither ')
    .replaceAll(' copyright owner or ', ' copyright holder or ');
}
