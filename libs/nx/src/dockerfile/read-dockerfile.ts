import { parseDuration } from './duration.ts';
import { DockerfileError } from './errors.ts';
import type {
  CommandForm,
  Dockerfile,
  From,
  HealthcheckInstruction,
  Instruction,
  InstructionBody,
  Pair,
} from './instructions.ts';
import { HERE_DOCUMENT, type NamedImage, readStatements, type Statement } from './statements.ts';
import { expandWord, splitWords, WordError } from './words.ts';

/**
 * Reads a Dockerfile: its last stage and everything that stage needs. Throws a `DockerfileError` with line and
 * instruction for anything that builders would interpret differently.
 * https://docs.docker.com/reference/dockerfile/
 */
export function readDockerfile(bytes: Uint8Array, source: string): Dockerfile {
  const { escapeCharacter, frontend, statements } = readStatements(bytes, source);
  const start = statements.findIndex(({ keyword }) => keyword !== 'ARG');
  if (start < 0) {
    throw new DockerfileError(
      'DOCKERFILE_SYNTAX',
      { source, line: 0 },
      'expected FROM, found no instruction',
    );
  }
  const read = <T>(each: Statement, parse: () => T): T => {
    try {
      return parse();
    } catch (error) {
      if (!(error instanceof WordError || error instanceof Refusal)) throw error;
      const code = error instanceof Refusal && error.refused ? 'DOCKERFILE_REFUSED' : 'DOCKERFILE_SYNTAX';
      const hint = error instanceof Refusal ? error.hint : undefined;
      throw new DockerfileError(code, { ...each, source }, error.message, { hint });
    }
  };
  const globals = statements
    .slice(0, start)
    .flatMap((each) =>
      read(each, () => argPairs(each.rest, escapeCharacter)).map((pair) => ({ ...pair, line: each.line })),
    );
  const stages = splitStages(statements.slice(start), (each) =>
    read(each, () => parseFrom(each, globals, escapeCharacter)),
  );
  const chain = chainOf(stages);
  const instructions = chain.flatMap(({ from, statements: own }, index): readonly Instruction[] => [
    ...(index === 0 ? [] : [{ keyword: 'FROM' as const, platform: from.platform, line: from.line }]),
    ...own.map((each) => ({
      ...read(each, () => {
        if (each.keyword === 'ONBUILD' && index < chain.length - 1)
          throw new Refusal('is not supported in a stage that another one starts from', {
            refused: true,
            hint: 'Write the instruction in the stage that it is meant for.',
          });
        return parseStatement(each, escapeCharacter);
      }),
      line: each.line,
    })),
  ]);
  if (!instructions.some(({ keyword }) => LAYERED.has(keyword))) {
    throw new DockerfileError(
      'DOCKERFILE_REFUSED',
      { source, line: 0 },
      'creates an image without any layer',
      {
        hint: `Copy the executable: COPY --chmod=755 NAME-linux-\${TARGETARCH}\${TARGETVARIANT} /NAME`,
      },
    );
  }
  const [first] = chain;
  if (first === undefined) throw new Error(`${source} has no stage`);
  const images = imagesOf(stages, first.from, read);
  return {
    source,
    escapeCharacter,
    globals,
    from: first.from,
    instructions,
    ...(frontend !== undefined && { frontend }),
    images,
  };
}

/** The instructions that create a layer. */
const LAYERED: ReadonlySet<string> = new Set(['ADD', 'COPY', 'RUN', 'WORKDIR']);

interface Stage {
  readonly from: From;
  readonly statements: readonly Statement[];
}

function splitStages(statements: readonly Statement[], parse: (from: Statement) => From): readonly Stage[] {
  const stages: { from: From; statements: Statement[] }[] = [];
  for (const each of statements) {
    if (each.keyword === 'FROM' || stages.length === 0) stages.push({ from: parse(each), statements: [] });
    else stages.at(-1)?.statements.push(each);
  }
  return stages;
}

/** The last stage and the stages it is based on, lowest first. */
function chainOf(stages: readonly Stage[]): readonly Stage[] {
  const chain: Stage[] = [];
  for (let at: number | undefined = stages.length - 1; at !== undefined; ) {
    const stage: Stage | undefined = stages[at];
    if (stage === undefined) break;
    chain.unshift(stage);
    at = stageNamed(stages.slice(0, at), stage.from.image);
  }
  return chain;
}

function stageNamed(earlier: readonly Stage[], name: string): number | undefined {
  const at = earlier.findLastIndex(({ from }) => from.name === name.toLowerCase());
  return at < 0 ? undefined : at;
}

/** The images that the last stage needs besides its base. Stages that nothing needs aren't built. */
function imagesOf(
  stages: readonly Stage[],
  { line: base }: From,
  read: <T>(each: Statement, parse: () => T) => T,
): readonly NamedImage[] {
  const images = new Map<string, NamedImage>();
  const seen = new Set<number>();
  const visit = (at: number): void => {
    const stage = stages[at];
    if (stage === undefined || seen.has(at)) return;
    seen.add(at);
    const earlier = stages.slice(0, at);
    const need = (image: string, line: number): void => {
      const index = stageNamed(earlier, image);
      if (index !== undefined) visit(index);
      else if (image !== 'scratch' && line !== base && !images.has(image)) images.set(image, { image, line });
    };
    need(stage.from.image, stage.from.line);
    for (const each of stage.statements) {
      for (const name of read(each, () => originsOf(each))) {
        if (/^\d+$/.test(name) && Number(name) < at) visit(Number(name));
        else need(name, each.line);
      }
    }
  };
  visit(stages.length - 1);
  return [...images.values()];
}

/** The stages and images that an instruction copies or mounts files from. */
function originsOf({ keyword, rest }: Statement): readonly string[] {
  const flags = /^(?:--\S+\s+)*/.exec(rest)?.[0].split(/\s+/) ?? [];
  const names = flags.flatMap((flag) => {
    if (keyword === 'COPY') return /^--from=(.*)$/.exec(flag)?.slice(1) ?? [];
    if (keyword !== 'RUN') return [];
    const [, options] = /^--mount=(.*)$/.exec(flag) ?? [];
    return options?.split(',').flatMap((option) => /^"?from=([^"]*)/.exec(option)?.slice(1) ?? []) ?? [];
  });
  for (const name of names) checkOrigin(name);
  return names;
}

function checkOrigin(name: string): void {
  if (/^[\w.:/@[\]-]+$/.test(name)) return;
  throw new Refusal(`expected the name of a stage or an image, found ${JSON.stringify(name.slice(0, 120))}`, {
    refused: true,
    hint: 'Write out the name: not every builder expands variables here.',
  });
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

function parseFrom(
  { keyword, rest, line }: Statement,
  globals: readonly Pair[],
  escapeCharacter: string,
): From {
  if (keyword !== 'FROM') {
    throw new Refusal('expected FROM as the first instruction after ARG', {
      refused: true,
      hint: 'Start with FROM scratch, or FROM an image.',
    });
  }
  const { flags, rest: what } = takeFlags(rest, ['platform']);
  const [image, as, name, ...more] = what.split(/\s+/);
  if (!image || more.length > 0 || (as !== undefined && (as.toUpperCase() !== 'AS' || name === undefined))) {
    throw new Refusal(
      `expected an image, or an image with AS and a name, found ${JSON.stringify(what.slice(0, 120))}`,
    );
  }
  if (name !== undefined && !/^[a-z][a-z0-9_.-]*$/i.test(name)) {
    throw new Refusal(
      `expected a stage name of letters, digits, "-", "_" and ".", found ${JSON.stringify(name)}`,
    );
  }
  const platform = flagValue(flags, 'platform');
  return { image: baseOf(image, globals, escapeCharacter), platform, name: name?.toLowerCase(), line };
}

// Every platform starts from the same reference: an index, which has an image for each platform.
function baseOf(image: string, globals: readonly Pair[], escapeCharacter: string): string {
  const values = new Map<string, string | undefined>();
  const expand = (word: string): string =>
    expandWord(
      word,
      (name) => {
        if (!/^(TARGET|BUILD)[A-Z]+$/.test(name) || values.has(name)) return values.get(name);
        throw new Refusal(`${name} in the image's name is not supported`, {
          refused: true,
          hint: 'Use a multi-platform image: each platform starts from its own.',
        });
      },
      escapeCharacter,
    );
  for (const { name, value } of globals) {
    if (image.includes('$')) values.set(name, value === undefined ? undefined : expand(value));
  }
  const found = expand(image);
  if (/^[\w.:/@[\]-]+$/.test(found)) return found;
  throw new Refusal(
    `expected "scratch" or an image reference, found ${JSON.stringify(found.slice(0, 120))}`,
    { refused: true, hint: 'Write FROM scratch, or FROM gcr.io/distroless/static@sha256:….' },
  );
}

function parseStatement(statement: Statement, escapeCharacter: string): InstructionBody {
  const { keyword, rest } = statement;
  switch (keyword) {
    case 'ARG':
      return { keyword, pairs: argPairs(rest, escapeCharacter) };
    case 'ENV':
    case 'LABEL':
      return { keyword, pairs: pairs(rest, escapeCharacter) };
    case 'ADD':
    case 'COPY':
      return parseCopy(statement, keyword);
    case 'EXPOSE':
      return { keyword, words: someWords(rest.split(/\s+/)) };
    case 'VOLUME':
      return { keyword, words: someWords(jsonList(rest) ?? rest.split(/\s+/)) };
    case 'STOPSIGNAL':
    case 'USER':
    case 'WORKDIR':
      return { keyword, word: someText(rest) };
    case 'MAINTAINER':
      return { keyword, text: someText(rest) };
    case 'ONBUILD':
      return parseTrigger(rest);
    case 'SHELL': {
      const args = jsonList(rest);
      if (args === undefined) throw new Refusal('expected a JSON list, such as ["/bin/bash", "-c"]');
      return { keyword, args: someWords(args) };
    }
    case 'CMD':
    case 'ENTRYPOINT':
      return { keyword, command: command(rest) };
    case 'HEALTHCHECK':
      return { keyword, check: parseHealthcheck(rest) };
    case 'RUN':
      if (rest === '' && statement.documents.length === 0)
        throw new Refusal('expected a command, found none');
      return { keyword, text: rest };
    default:
      throw new Refusal('is not an instruction', {
        hint: 'Instructions: FROM, ADD, ARG, CMD, COPY, ENTRYPOINT, ENV, EXPOSE, HEALTHCHECK, LABEL, MAINTAINER, ONBUILD, RUN, SHELL, STOPSIGNAL, USER, VOLUME, WORKDIR.',
      });
  }
}

// BuildKit stores the text as is, for builds based on this image.
function parseTrigger(rest: string): InstructionBody {
  const [keyword = '', words = ''] = someText(rest).split(/\s+/);
  if (/^(FROM|MAINTAINER|ONBUILD)$/i.test(keyword)) {
    throw new Refusal(`${keyword} can't be a trigger`, { refused: true, hint: 'Remove the line.' });
  }
  if (!/^[A-Z]+$/i.test(keyword) || words === '')
    throw new Refusal('expected an instruction, such as COPY . /src');
  if (rest.includes('<<')) {
    throw new Refusal('a here-document in a trigger is not supported', {
      refused: true,
      hint: 'Have the trigger copy a file instead.',
    });
  }
  return { keyword: 'ONBUILD', text: rest };
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

const COPY_FLAGS: Readonly<Record<'ADD' | 'COPY', readonly string[]>> = {
  ADD: ['chown', 'chmod', 'link', 'exclude'],
  COPY: ['chown', 'chmod', 'link', 'exclude', 'parents', 'from'],
};

function parseCopy({ rest, documents }: Statement, keyword: 'ADD' | 'COPY'): InstructionBody {
  const { flags, rest: words, lists } = takeFlags(rest, COPY_FLAGS[keyword], ['exclude']);
  // A pattern may also start with a bracket, but a list has a quote.
  const json = /^\[\s*["\]]/.test(words) ? jsonList(words) : undefined;
  const list = json ?? words.split(/\s+/).filter((word) => word !== '');
  const destination = list.at(-1);
  const named = list.slice(0, -1).filter((word) => HERE_DOCUMENT.test(word));
  if (
    named.length !== documents.length ||
    named.some((word) => /^\d/.test(word)) ||
    json?.some((word) => HERE_DOCUMENT.test(word))
  ) {
    throw new Refusal('expected each here-document as a separate word, such as <<EOF');
  }
  if (destination === undefined || list.length < 2) {
    throw new Refusal('expected at least one source and a destination');
  }
  if (HERE_DOCUMENT.test(destination)) throw new Refusal('expected a destination after the here-documents');
  const from = flagValue(flags, 'from');
  if (from !== undefined) {
    checkOrigin(from);
    if (documents.length > 0) throw new Refusal('--from: here-documents are not supported with it');
  }
  return {
    keyword,
    ...(from !== undefined && { from }),
    sources: list.slice(0, -1).filter((word) => !HERE_DOCUMENT.test(word)),
    documents,
    destination,
    chown: flagValue(flags, 'chown'),
    chmod: flagValue(flags, 'chmod'),
    link: booleanFlag(flags, 'link'),
    parents: booleanFlag(flags, 'parents'),
    exclude: lists.get('exclude') ?? [],
  };
}

function booleanFlag(flags: ReadonlyMap<string, string>, name: string): boolean {
  const value = flags.get(name);
  if (value !== undefined && !['', 'true', 'false'].includes(value)) {
    throw new Refusal(`--${name}: expected true or false, found ${JSON.stringify(value)}`);
  }
  return value !== undefined && value !== 'false';
}

function parseHealthcheck(rest: string): HealthcheckInstruction {
  const { flags, rest: what } = takeFlags(rest, [
    'interval',
    'timeout',
    'start-period',
    'start-interval',
    'retries',
  ]);
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
    startInterval: duration('start-interval'),
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

// BuildKit treats a list that isn't valid JSON as words. That is never intended, so it is refused here.
function jsonList(text: string): readonly string[] | undefined {
  if (!text.startsWith('[')) return undefined;
  let list: unknown;
  try {
    list = JSON.parse(text);
  } catch {
    list = undefined;
  }
  const isList = Array.isArray(list) && list.every((item) => typeof item === 'string');
  if (!isList) throw new Refusal(`expected a JSON list of strings, found ${text.slice(0, 120)}`);
  for (const item of list as readonly string[]) {
    if (/\p{Cc}|\p{Cs}/u.test(item))
      throw new Refusal(`control characters are not supported, found ${JSON.stringify(item)}`);
  }
  return list as readonly string[];
}

interface Flags {
  readonly flags: ReadonlyMap<string, string>;
  /** The values of repeatable flags. */
  readonly lists: ReadonlyMap<string, readonly string[]>;
  readonly rest: string;
}

/** Why some flags from the Dockerfile reference aren't supported, and what to use instead. */
const REFUSED_FLAGS: Readonly<Record<string, string>> = {
  checksum:
    'Images contain only files from the workspace and prebuilt.lock.json: download the file beforehand, and list it in "image.files" of prebuilt.json.',
  'keep-git-dir':
    'Images contain only files from the workspace: list them in "image.files" of prebuilt.json.',
  unpack: 'ADD unpacks tar archives, COPY doesn’t: use the one that fits.',
};

function takeFlags(rest: string, known: readonly string[], repeated: readonly string[] = []): Flags {
  const flags = new Map<string, string>();
  const lists = new Map<string, readonly string[]>();
  let left = rest;
  for (;;) {
    const [whole, name, value] = /^--([^\s=]+)(?:=(\S*))?(?:\s+|$)/.exec(left) ?? [];
    if (whole === undefined || name === undefined) break;
    if (!known.includes(name)) {
      throw new Refusal(`the flag --${name.slice(0, 40)} is not supported`, {
        refused: true,
        hint: REFUSED_FLAGS[name] ?? `Supported: ${known.map((each) => `--${each}`).join(', ')}.`,
      });
    }
    if (repeated.includes(name)) {
      if (!value) throw new Refusal(`--${name}: expected a value`);
      lists.set(name, [...(lists.get(name) ?? []), value]);
    } else {
      if (flags.has(name)) throw new Refusal(`--${name} is given twice`);
      flags.set(name, value ?? '');
    }
    left = left.slice(whole.length);
  }
  if (left.startsWith('--')) throw new Refusal('expected a flag with a name after "--"');
  return { flags, lists, rest: left };
}

function flagValue(flags: ReadonlyMap<string, string>, name: string): string | undefined {
  const value = flags.get(name);
  if (value === '') throw new Refusal(`--${name}: expected a value`);
  return value;
}

function someText(text: string): string {
  if (text === '') throw new Refusal('expected an argument, found none');
  return text;
}

function someWords(words: readonly string[]): readonly string[] {
  if (words.length === 0 || words.includes('')) throw new Refusal('expected an argument, found none');
  return words;
}
