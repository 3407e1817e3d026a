import { DockerfileError } from './errors.ts';
import { splitWords } from './words.ts';

/** The text that is below an instruction, from `<<NAME` to a line that is `NAME`. */
export interface HereDocument {
  readonly name: string;
  /** As it is written; of `<<-NAME` without the tabs before each line. */
  readonly text: string;
  /** Whether variables are put in: where the name has no quotes. */
  readonly expands: boolean;
}

/** One instruction as it stands in a Dockerfile, its continued lines joined. */
export interface Statement {
  /** The line it starts on, counted from 1. */
  readonly line: number;
  /** In upper case. */
  readonly keyword: string;
  /** Everything after the keyword, without white space at either end. */
  readonly rest: string;
  /** What is below it, in the order of the names in `rest`. */
  readonly documents: readonly HereDocument[];
}

/** A Dockerfile cut into its instructions. */
export interface Statements {
  readonly source: string;
  readonly escapeCharacter: '\\' | '`';
  /** What `# syntax=` names: the image of a program that reads the file in the builder's place. */
  readonly frontend: NamedImage | undefined;
  readonly statements: readonly Statement[];
}

/** An image that a Dockerfile names, and the line it does so in, counted from 1. */
export interface NamedImage {
  readonly image: string;
  readonly line: number;
}

/** The form of a word that names a here-document. */
export const HERE_DOCUMENT = /^(\d*)<<(-?)([^<]+)$/;

const DOCUMENT_NAME = /^(?:"([\w.-]+)"|'([\w.-]+)'|([\w.-]+))$/;
const MAX_BYTES = 64 * 1024;
const MAX_LINES = 1000;
const BUILDER_COMMENT = /^\s*#\s*(syntax|check)\s*=/i;
const DIRECTIVE = /^#\s*([a-z][a-z0-9]*)\s*=\s*(.+?)\s*$/i;
const FORBIDDEN = /[\p{Cc}\p{Zl}\p{Zp}\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]/u;
const WITH_DOCUMENTS: ReadonlySet<string> = new Set(['ADD', 'COPY', 'RUN']);

/**
 * Cuts the text of a Dockerfile into instructions. Throws a `DockerfileError` for a text that is not UTF-8, too
 * large (64 KiB, 1,000 lines) or holds control characters, and for comments that speak to a builder: `# check=`, and
 * `# syntax=` where not every builder would see it.
 * https://docs.docker.com/reference/dockerfile/#parser-directives
 */
export function readStatements(bytes: Uint8Array, source: string): Statements {
  const { lines, carriageReturns } = decode(bytes, source);
  const { escapeCharacter, frontend } = readDirectives(lines, source);
  for (const [index, line] of lines.entries()) {
    if (frontend?.line !== index + 1) refuseUnreadable(line, index + 1, source);
  }
  const statements: Statement[] = [];
  for (let at = 0; at < lines.length; ) {
    if (isSkipped(lines[at] ?? '')) {
      at++;
      continue;
    }
    const where = { source, line: at + 1 };
    const { joined, next } = join(lines, at, escapeCharacter, where);
    const [, word = '', rest = ''] = /^(\S+)\s*(.*)$/s.exec(joined) ?? [];
    const keyword = word.toUpperCase();
    const below = WITH_DOCUMENTS.has(keyword)
      ? readDocuments(rest, lines, next, escapeCharacter, { ...where, keyword })
      : { documents: [], next };
    if (below.documents.length > 0 && carriageReturns) {
      throw new DockerfileError(
        'DOCKERFILE_REFUSED',
        { ...where, keyword },
        'a here-document in a file whose lines end in CR LF would keep each CR',
        { hint: 'Save the Dockerfile with lines that end in LF.' },
      );
    }
    statements.push({ line: where.line, keyword, rest: rest.trim(), documents: below.documents });
    at = below.next;
  }
  return { source, escapeCharacter, frontend, statements };
}

function decode(
  bytes: Uint8Array,
  source: string,
): { readonly lines: readonly string[]; readonly carriageReturns: boolean } {
  const where = { source, line: 0 };
  if (bytes.length > MAX_BYTES) {
    throw new DockerfileError(
      'DOCKERFILE_SYNTAX',
      where,
      `expected at most ${MAX_BYTES} bytes, found ${bytes.length}`,
    );
  }
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new DockerfileError('DOCKERFILE_SYNTAX', where, 'expected UTF-8 text', { cause });
  }
  const lines = text.split(/\r?\n/);
  if (lines.at(-1) === '') lines.pop();
  if (lines.length > MAX_LINES) {
    throw new DockerfileError(
      'DOCKERFILE_SYNTAX',
      where,
      `expected at most ${MAX_LINES} lines, found ${lines.length}`,
    );
  }
  return { lines, carriageReturns: text.includes('\r\n') };
}

function refuseUnreadable(line: string, number: number, source: string): void {
  const where = { source, line: number };
  const comment = BUILDER_COMMENT.exec(line)?.[1]?.toLowerCase();
  if (comment !== undefined) {
    const problem =
      comment === 'syntax'
        ? '"# syntax=" is not seen by every builder here'
        : `a "# ${comment}=" line is not supported`;
    const hint =
      comment === 'syntax'
        ? 'Make it the first line, and only once, or remove it.'
        : 'It configures the builder: remove the line.';
    throw new DockerfileError('DOCKERFILE_REFUSED', where, problem, { hint });
  }
  const character = FORBIDDEN.exec(line.replaceAll('\t', ' '))?.[0];
  if (character !== undefined) {
    const code = (character.codePointAt(0) ?? 0).toString(16).padStart(4, '0').toUpperCase();
    throw new DockerfileError('DOCKERFILE_SYNTAX', where, `the character U+${code} is not supported`);
  }
}

// Only lines of this form at the very top are directives. BuildKit 0.13 looks no further behind one that it does not
// know (seen), others may: what they would find is refused.
function readDirectives(
  lines: readonly string[],
  source: string,
): Pick<Statements, 'escapeCharacter' | 'frontend'> {
  let escapeCharacter: '\\' | '`' | undefined;
  let frontend: NamedImage | undefined;
  let unknown = false;
  for (const [index, line] of lines.entries()) {
    const [, name, value] = DIRECTIVE.exec(line) ?? [];
    if (name === undefined) break;
    const keyword = name.toLowerCase();
    if (keyword === 'syntax' && !unknown && frontend === undefined) {
      frontend = { image: frontendOf(value ?? '', { source, line: index + 1 }), line: index + 1 };
      continue;
    }
    if (keyword !== 'escape') {
      unknown = true;
      continue;
    }
    const refuse = (problem: string, hint: string): never => {
      throw new DockerfileError('DOCKERFILE_REFUSED', { source, line: index + 1 }, problem, { hint });
    };
    if (unknown)
      refuse('"# escape=" below another directive is not seen by every builder', 'Make it the first line.');
    if (escapeCharacter !== undefined) refuse('"# escape=" is given twice', 'Remove one of them.');
    if (value !== '\\' && value !== '`') {
      refuse(`"# escape=": expected \\ or \`, found ${JSON.stringify(value)}`, 'Remove the line.');
    }
    escapeCharacter = value === '`' ? '`' : '\\';
  }
  return { escapeCharacter: escapeCharacter ?? '\\', frontend };
}

function frontendOf(value: string, where: { readonly source: string; readonly line: number }): string {
  if (/^[\w.:/@[\]-]+$/.test(value)) return value;
  throw new DockerfileError(
    'DOCKERFILE_REFUSED',
    where,
    `"# syntax=": expected the reference of an image, found ${JSON.stringify(value.slice(0, 120))}`,
    { hint: 'Write # syntax=docker/dockerfile:1, or remove the line.' },
  );
}

function isSkipped(line: string): boolean {
  const trimmed = line.trim();
  return trimmed === '' || trimmed.startsWith('#');
}

// Comments and blank lines between continued lines are dropped, as BuildKit does.
function join(
  lines: readonly string[],
  start: number,
  escapeCharacter: string,
  where: { readonly source: string; readonly line: number },
): { readonly joined: string; readonly next: number } {
  const parts: string[] = [];
  for (let at = start; at < lines.length; at++) {
    const line = lines[at] ?? '';
    if (at > start && isSkipped(line)) continue;
    const stripped = line.trimEnd();
    // Of two escape characters the first escapes the second, and nothing continues.
    const continued = stripped.endsWith(escapeCharacter) && stripped.at(-2) !== escapeCharacter;
    parts.push(continued ? stripped.slice(0, -1) : line);
    if (!continued) return { joined: parts.join('').trim(), next: at + 1 };
  }
  throw new DockerfileError(
    'DOCKERFILE_SYNTAX',
    where,
    `ends in a line that "${escapeCharacter}" continues, with no next line`,
  );
}

function readDocuments(
  rest: string,
  lines: readonly string[],
  start: number,
  escapeCharacter: string,
  where: { readonly source: string; readonly line: number; readonly keyword: string },
): { readonly documents: readonly HereDocument[]; readonly next: number } {
  const documents: HereDocument[] = [];
  let at = start;
  for (const word of rest.includes('<<') ? splitWords(rest, escapeCharacter) : []) {
    const [, , dash, quoted] = HERE_DOCUMENT.exec(word) ?? [];
    if (quoted === undefined) continue;
    const [, double, single, plain] = DOCUMENT_NAME.exec(quoted) ?? [];
    const bare = double ?? single ?? plain;
    // A file of that name would be a folder.
    if (bare === undefined || bare === '.' || bare === '..') {
      throw new DockerfileError(
        'DOCKERFILE_SYNTAX',
        where,
        `expected a here-document's name of letters, digits, "_", "." and "-", found ${JSON.stringify(quoted.slice(0, 80))}`,
      );
    }
    const text: string[] = [];
    const read = (line: string): string => (dash === '-' ? line.replace(/^\t+/, '') : line);
    while (at < lines.length && read(lines[at] ?? '') !== bare) text.push(read(lines[at++] ?? ''));
    if (at === lines.length) {
      throw new DockerfileError(
        'DOCKERFILE_SYNTAX',
        where,
        `expected a line ${JSON.stringify(bare)} that ends the here-document, found none`,
      );
    }
    at++;
    documents.push({
      name: bare,
      text: text.map((line) => `${line}\n`).join(''),
      expands: plain !== undefined,
    });
  }
  return { documents, next: at };
}
