import { parseDuration } from './duration.ts';
import { DockerfileError } from './errors.ts';
import type {
  CommandForm,
  Dockerfile,
  HealthcheckInstruction,
  Instruction,
  InstructionBody,
  Pair,
} from './instructions.ts';
import { readStatements, type Statement } from './statements.ts';
import { splitWords, WordError } from './words.ts';

const NO_EXECUTION =
  'Compile before the image is built: Dockerfile.release only copies files and describes the image.';

/**
 * Reads a Dockerfile that both builders understand alike: one stage `FROM scratch` or an image, with `ARG`, `COPY` from the
 * context, `ENV`, `LABEL`, `EXPOSE`, `USER`, `WORKDIR`, `ENTRYPOINT`, `CMD`, `VOLUME`, `STOPSIGNAL`, `HEALTHCHECK`.
 * Throws a `DockerfileError`, with line and instruction, for anything else.
 * https://docs.docker.com/reference/dockerfile/
 */
export function readDockerfile(bytes: Uint8Array, source: string): Dockerfile {
  const { escapeCharacter, statements } = readStatements(bytes, source);
  const [from, ...rest] = statements;
  if (from === undefined) {
    throw new DockerfileError(
      'DOCKERFILE_SYNTAX',
      { source, line: 0 },
      'expected FROM scratch, found no instruction',
    );
  }
  const image = baseOf(from, source);
  const instructions = rest.map((statement): Instruction => {
    try {
      return { ...parseStatement(statement, escapeCharacter), line: statement.line };
    } catch (error) {
      if (!(error instanceof WordError || error instanceof Refusal)) throw error;
      const code = error instanceof Refusal && error.refused ? 'DOCKERFILE_REFUSED' : 'DOCKERFILE_SYNTAX';
      const hint = error instanceof Refusal ? error.hint : undefined;
      throw new DockerfileError(code, { ...statement, source }, error.message, { hint });
    }
  });
  if (!instructions.some(({ keyword }) => keyword === 'COPY' || keyword === 'WORKDIR')) {
    throw new DockerfileError('DOCKERFILE_REFUSED', { source, line: 0 }, 'makes an image without any layer', {
      hint: `Copy the executable: COPY --chmod=755 NAME-linux-\${TARGETARCH}\${TARGETVARIANT} /NAME`,
    });
  }
  return { source, escapeCharacter, from: { image, line: from.line }, instructions };
}

class Refusal extends Error {
  readonly refused: boolean;
  readonly hint: string | undefined;

  constructor(message: string, options: { readonly refused?: boolean; readonly hint?: string } = {}) {
    super(message);
    this.refused = options.refused ?? false;
    this.hint = options.hint;
  }
}

function baseOf(statement: Statement, source: string): string {
  const refuse = (problem: string, hint: string): never => {
    throw new DockerfileError('DOCKERFILE_REFUSED', { ...statement, source }, problem, { hint });
  };
  if (statement.keyword !== 'FROM') {
    const hint =
      statement.keyword === 'ARG' ? 'Move the ARG below FROM.' : 'Start with FROM scratch, or FROM an image.';
    refuse('expected FROM as the first instruction', hint);
  }
  if (!/^[\w.:/@[\]-]+$/.test(statement.rest)) {
    refuse(
      `expected "scratch" or the reference of an image, found ${JSON.stringify(statement.rest.slice(0, 120))}`,
      'Write FROM scratch, or FROM gcr.io/distroless/static@sha256:….',
    );
  }
  return statement.rest;
}

function parseStatement({ keyword, rest }: Statement, escapeCharacter: string): InstructionBody {
  switch (keyword) {
    case 'ARG':
      return { keyword, pairs: argPairs(rest, escapeCharacter) };
    case 'ENV':
    case 'LABEL':
      return { keyword, pairs: pairs(rest, escapeCharacter) };
    case 'COPY':
      return parseCopy(rest);
    case 'EXPOSE':
      return { keyword, words: someWords(rest.split(/\s+/)) };
    case 'VOLUME':
      return { keyword, words: someWords(jsonList(rest) ?? rest.split(/\s+/)) };
    case 'STOPSIGNAL':
    case 'USER':
    case 'WORKDIR':
      if (rest === '') throw new Refusal('expected an argument, found none');
      return { keyword, word: rest };
    case 'CMD':
    case 'ENTRYPOINT':
      return { keyword, command: command(rest) };
    case 'HEALTHCHECK':
      return { keyword, check: parseHealthcheck(rest) };
    case 'FROM':
      throw new Refusal('a second stage is not supported', { refused: true, hint: NO_EXECUTION });
    case 'RUN':
      throw new Refusal('runs a command inside the image, which is not supported', {
        refused: true,
        hint: NO_EXECUTION,
      });
    case 'ADD':
      throw new Refusal('is not supported', { refused: true, hint: 'Use COPY.' });
    default:
      throw new Refusal('is not a supported instruction', {
        refused: true,
        hint: 'Supported: FROM scratch, ARG, COPY, ENV, LABEL, EXPOSE, USER, WORKDIR, ENTRYPOINT, CMD, VOLUME, STOPSIGNAL, HEALTHCHECK.',
      });
  }
}

function argPairs(rest: string, escapeCharacter: string): readonly Pair[] {
  return someWords(splitWords(rest, escapeCharacter)).map((word) => {
    const equals = word.indexOf('=');
    return equals < 0 ? { name: word, value: undefined } : pair(word, equals);
  });
}

function pairs(rest: string, escapeCharacter: string): readonly Pair[] {
  const words = someWords(splitWords(rest, escapeCharacter));
  if (!words[0]?.includes('=')) {
    const [, name, value] = /^(\S+)\s+(.+)$/s.exec(rest) ?? [];
    if (name === undefined || value === undefined) throw new Refusal('expected name=value');
    return [{ name, value }];
  }
  return words.map((word) => {
    const equals = word.indexOf('=');
    if (equals < 0) throw new Refusal(`expected name=value, found ${JSON.stringify(word)}`);
    return pair(word, equals);
  });
}

function pair(word: string, equals: number): Pair {
  if (equals === 0) throw new Refusal(`expected a name before "=", found ${JSON.stringify(word)}`);
  return { name: word.slice(0, equals), value: word.slice(equals + 1) };
}

function parseCopy(rest: string): InstructionBody {
  const { flags, rest: words } = takeFlags(rest, ['chown', 'chmod', 'link']);
  const list = jsonList(words) ?? words.split(/\s+/).filter((word) => word !== '');
  if (list.some((word) => /^\d*<<-?[^<]/.test(word))) {
    throw new Refusal('here-documents are not supported', { refused: true });
  }
  const destination = list.at(-1);
  if (destination === undefined || list.length < 2) {
    throw new Refusal('expected at least one source and a destination');
  }
  const link = flags.get('link');
  if (link !== undefined && !['', 'true', 'false'].includes(link)) {
    throw new Refusal(`--link: expected true or false, found ${JSON.stringify(link)}`);
  }
  return {
    keyword: 'COPY',
    sources: list.slice(0, -1),
    destination,
    chown: flagValue(flags, 'chown'),
    chmod: flagValue(flags, 'chmod'),
    link: link !== undefined && link !== 'false',
  };
}

function parseHealthcheck(rest: string): HealthcheckInstruction {
  const { flags, rest: what } = takeFlags(rest, ['interval', 'timeout', 'start-period', 'retries']);
  const [, kind = '', words = ''] = /^(\S+)\s*(.*)$/s.exec(what) ?? [];
  const duration = (name: string): number => {
    const text = flagValue(flags, name);
    const nanoseconds = text === undefined ? 0 : parseDuration(text);
    if (nanoseconds !== undefined && (nanoseconds === 0 || nanoseconds >= 1e6)) return nanoseconds;
    throw new Refusal(
      `--${name}: expected a duration such as 30s, of at least 1ms, found ${JSON.stringify(text)}`,
    );
  };
  const retries = flagValue(flags, 'retries') ?? '0';
  if (flags.has('retries') && !/^([1-9]\d?|100)$/.test(retries)) {
    throw new Refusal(`--retries: expected a number from 1 to 100, found ${JSON.stringify(retries)}`);
  }
  const check = {
    interval: duration('interval'),
    timeout: duration('timeout'),
    startPeriod: duration('start-period'),
    retries: Number(retries),
  };
  if (kind.toUpperCase() === 'NONE' && words === '' && flags.size === 0)
    return { ...check, command: undefined };
  if (kind.toUpperCase() !== 'CMD' || words === '') throw new Refusal('expected NONE, or CMD with a command');
  const form = command(words);
  if (form.form === 'exec' && form.args.length === 0) throw new Refusal('expected a command after CMD');
  return { ...check, command: form };
}

function command(rest: string): CommandForm {
  if (rest === '') throw new Refusal('expected a command, found none');
  const args = jsonList(rest);
  return args === undefined ? { form: 'shell', text: rest } : { form: 'exec', args };
}

// BuildKit takes a list that is not valid JSON for words; here that is refused, since it is never what was meant.
function jsonList(text: string): readonly string[] | undefined {
  if (!text.startsWith('[')) return undefined;
  let list: unknown;
  try {
    list = JSON.parse(text);
  } catch {
    list = undefined;
  }
  const isList = Array.isArray(list) && list.every((item) => typeof item === 'string');
  if (!isList) throw new Refusal(`expected a JSON list of texts, found ${text.slice(0, 120)}`);
  for (const item of list as readonly string[]) {
    if (/\p{Cc}|\p{Cs}/u.test(item))
      throw new Refusal(`control characters are not supported, found ${JSON.stringify(item)}`);
  }
  return list as readonly string[];
}

function takeFlags(
  rest: string,
  known: readonly string[],
): { readonly flags: ReadonlyMap<string, string>; readonly rest: string } {
  const flags = new Map<string, string>();
  let left = rest;
  for (;;) {
    const [whole, name, value] = /^--([^\s=]+)(?:=(\S*))?(?:\s+|$)/.exec(left) ?? [];
    if (whole === undefined || name === undefined) break;
    if (!known.includes(name)) {
      throw new Refusal(`the flag --${name.slice(0, 40)} is not supported`, {
        refused: true,
        hint: `Supported: ${known.map((each) => `--${each}`).join(', ')}.`,
      });
    }
    if (flags.has(name)) throw new Refusal(`--${name} is given twice`);
    flags.set(name, value ?? '');
    left = left.slice(whole.length);
  }
  if (left.startsWith('--')) throw new Refusal('expected a flag with a name after "--"');
  return { flags, rest: left };
}

function flagValue(flags: ReadonlyMap<string, string>, name: string): string | undefined {
  const value = flags.get(name);
  if (value === '') throw new Refusal(`--${name}: expected a value`);
  return value;
}

function someWords(words: readonly string[]): readonly string[] {
  if (words.length === 0 || words.includes('')) throw new Refusal('expected an argument, found none');
  return words;
}
