import { DockerfileParser } from 'dockerfile-ast';
import { DockerfileError } from './errors.ts';

/** One instruction as it stands in a Dockerfile, its continued lines joined. */
export interface Statement {
  /** The line it starts on, counted from 1. */
  readonly line: number;
  /** In upper case. */
  readonly keyword: string;
  /** Everything after the keyword, without white space at either end. */
  readonly rest: string;
}

/** A Dockerfile cut into its instructions. */
export interface Statements {
  readonly source: string;
  readonly escapeCharacter: '\\' | '`';
  readonly statements: readonly Statement[];
}

const SIZE_LIMIT = 64 * 1024;
const LINE_LIMIT = 1000;
const BUILDER_COMMENT = /^\s*#\s*(syntax|check)\s*=/i;
const FORBIDDEN = /[\p{Cc}\p{Zl}\p{Zp}\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]/u;

/**
 * Cuts the text of a Dockerfile into instructions. Throws a `DockerfileError` for a text that is not UTF-8, too
 * large (64 KiB, 1,000 lines) or holds control characters, and for comments that speak to a builder: `# syntax=`
 * makes it fetch a frontend.
 * https://docs.docker.com/reference/dockerfile/#parser-directives
 */
export function readStatements(bytes: Uint8Array, source: string): Statements {
  const text = decode(bytes, source);
  const lines = text.split('\n');
  for (const [index, line] of lines.entries()) refuseUnreadable(line, index + 1, source);
  const dockerfile = parse(text, source);
  for (const directive of dockerfile.getDirectives()) {
    if (directive.getName().toLowerCase() === 'escape') continue;
    const where = { source, line: directive.getRange().start.line + 1 };
    throw new DockerfileError(
      'DOCKERFILE_REFUSED',
      where,
      `the directive "# ${directive.getName()}=" is not supported`,
      {
        hint: 'A comment of the form "name=value" before the first instruction is a directive: reword it.',
      },
    );
  }
  const escapeCharacter = dockerfile.getEscapeCharacter() === '`' ? '`' : '\\';
  const statements = dockerfile.getInstructions().map((instruction) => {
    const { start, end } = instruction.getRange();
    const where = { source, line: start.line + 1 };
    const joined = join(lines.slice(start.line, end.line + 1), escapeCharacter, where);
    const [, keyword = '', rest = ''] = /^(\S+)\s*(.*)$/s.exec(joined) ?? [];
    return { line: where.line, keyword: keyword.toUpperCase(), rest: rest.trim() };
  });
  return { source, escapeCharacter, statements };
}

function decode(bytes: Uint8Array, source: string): string {
  const where = { source, line: 0 };
  if (bytes.length > SIZE_LIMIT) {
    throw new DockerfileError(
      'DOCKERFILE_SYNTAX',
      where,
      `expected at most ${SIZE_LIMIT} bytes, found ${bytes.length}`,
    );
  }
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes).replaceAll('\r\n', '\n');
  } catch (cause) {
    throw new DockerfileError('DOCKERFILE_SYNTAX', where, 'expected UTF-8 text', { cause });
  }
  const lines = text.split('\n').length;
  if (lines > LINE_LIMIT) {
    throw new DockerfileError(
      'DOCKERFILE_SYNTAX',
      where,
      `expected at most ${LINE_LIMIT} lines, found ${lines}`,
    );
  }
  return text;
}

function refuseUnreadable(line: string, number: number, source: string): void {
  const where = { source, line: number };
  const comment = BUILDER_COMMENT.exec(line)?.[1]?.toLowerCase();
  if (comment !== undefined) {
    throw new DockerfileError('DOCKERFILE_REFUSED', where, `a "# ${comment}=" line is not supported`, {
      hint: 'It makes the builder fetch or configure a frontend: remove the line.',
    });
  }
  const character = FORBIDDEN.exec(line.replaceAll('\t', ' '))?.[0];
  if (character !== undefined) {
    const code = (character.codePointAt(0) ?? 0).toString(16).padStart(4, '0').toUpperCase();
    throw new DockerfileError('DOCKERFILE_SYNTAX', where, `the character U+${code} is not supported`);
  }
}

function parse(text: string, source: string): ReturnType<typeof DockerfileParser.parse> {
  try {
    return DockerfileParser.parse(text);
  } catch (cause) {
    const problem = `can't be parsed: ${(cause as Error).message}`;
    throw new DockerfileError('DOCKERFILE_SYNTAX', { source, line: 0 }, problem, { cause });
  }
}

// Comments and blank lines between continued lines are dropped, as BuildKit does.
function join(
  lines: readonly string[],
  escapeCharacter: string,
  where: { source: string; line: number },
): string {
  let joined = '';
  let open = true;
  for (const [index, line] of lines.entries()) {
    const trimmed = line.trim();
    if (index > 0 && (trimmed === '' || trimmed.startsWith('#'))) continue;
    // What follows is the text of a here-document: whoever reads the instruction refuses it.
    if (!open && joined.includes('<<')) break;
    if (!open) {
      throw new DockerfileError('DOCKERFILE_SYNTAX', where, 'the instruction has an end that is not clear');
    }
    const stripped = line.trimEnd();
    open = stripped.endsWith(escapeCharacter);
    joined += open ? stripped.slice(0, -1) : line;
  }
  if (open) {
    throw new DockerfileError(
      'DOCKERFILE_SYNTAX',
      where,
      `ends in a line that "${escapeCharacter}" continues, with no next line`,
    );
  }
  return joined.trim();
}
