import { DockerfileError } from './errors.ts';
import { splitWords } from './words.ts';

/** The text after an instruction with `<<NAME`, up to a line that is just `NAME`. */
export interface HereDocument {
  readonly name: string;
  /** The text as written, except that `<<-NAME` strips leading tabs from each line. */
  readonly text: string;
  /** Whether variables are expanded, which is the case if the name isn't quoted. */
  readonly expands: boolean;
}

/** An instruction as written in a Dockerfile, with continued lines joined. */
export interface Statement {
  /** The 1-based number of its first line. */
  readonly line: number;
  /** In uppercase. */
  readonly keyword: string;
  /** Everything after the keyword, trimmed. */
  readonly rest: string;
  /** Its here-documents, in the order of their names in `rest`. */
  readonly documents: readonly HereDocument[];
}

/** A Dockerfile split into its instructions. */
export interface Statements {
  readonly source: string;
  readonly escapeCharacter: '\\' | '`';
  /** The image specified by `# syntax=`, whose program interprets the file instead of the builder. */
  readonly frontend: NamedImage | undefined;
  readonly statements: readonly Statement[];
}

/** An image referenced by a Dockerfile, and the 1-based line number of the reference. */
export interface NamedImage {
  readonly image: string;
  readonly line: number;
}

/** A word that introduces a here-document. */
export const HERE_DOCUMENT = /^(\d*)<<(-?)([^<]+)$/;

const DOCUMENT_NAME = /^(?:"([\w.-]+)"|'([\w.-]+)'|([\w.-]+))$/;
const MAX_BYTES = 64 * 1024;
const MAX_LINES = 1000;
const BUILDER_COMMENT = /^\s*#\s*(syntax|check)\s*=/i;
const DIRECTIVE = /^#\s*([a-z][a-z0-9]*)\s*=\s*(.+?)\s*$/i;
const FORBIDDEN = /[\p{Cc}\p{Zl}\p{Zp}\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]/u;
const WITH_DOCUMENTS: ReadonlySet<string> = new Set(['ADD', 'COPY', 'RUN']);

/**
 * Splits the text of a Dockerfile into instructions. Throws a `DockerfileError` for text that isn't UTF-8, is too large
 * (over 64 KiB or 1,000 lines) or contains control characters, and for comments that are directives to a builder:
 * `# check=`, and `# syntax=` in a place where not every builder would recognize it.
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
        'a here-document in a file with CRLF line endings would keep each CR',
        { hint: 'Save the Dockerfile with LF line endings.' },
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
        ? 'not every builder recognizes "# syntax=" here'
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

// Only lines of this form at the very top are directives. BuildKit 0.13 was seen to stop at the first unknown one,
// while others may continue: what they would find there is refused.
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
      refuse('not every builder recognizes "# escape=" below another directive', 'Make it the first line.');
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
    `"# syntax=": expected an image reference, found ${JSON.stringify(value.slice(0, 120))}`,
    { hint: 'Write # syntax=docker/dockerfile:1, or remove the line.' },
  );
}

function isSkipped(line: string): boolean {
  const trimmed = line.trim();
  return trimmed === '' || trimmed.startsWith('#');
}

// Drops comments and blank lines between continued lines, like BuildKit.
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
    // In a pair of escape characters, the first escapes the second, and the line doesn't continue.
    const continued = stripped.endsWith(escapeCharacter) && stripped.at(-2) !== escapeCharacter;
    parts.push(continued ? stripped.slice(0, -1) : line);
    if (!continued) return { joined: parts.join('').trim(), next: at + 1 };
  }
  throw new DockerfileError(
    'DOCKERFILE_SYNTAX',
    where,
    `expected a line after the trailing "${escapeCharacter}", found none`,
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
    // `.` and `..` would be folders.
    if (bare === undefined || bare === '.' || bare === '..') {
      throw new DockerfileError(
        'DOCKERFILE_SYNTAX',
        where,
        `expected a here-document name of letters, digits, "_", "." and "-", found ${JSON.stringify(quoted.slice(0, 80))}`,
      );
    }
    const text: string[] = [];
    const read = (line: string): string => (dash === '-' ? line.replace(/^\t+/, '') : line);
    while (at < lines.length && read(lines[at] ?? '') !== bare) text.push(read(lines[at++] ?? ''));
    if (at === lines.length) {
      throw new DockerfileError(
        'DOCKERFILE_SYNTAX',
        where,
        `expected a line ${JSON.stringify(bare)} at the end of the here-document, found none`,
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
