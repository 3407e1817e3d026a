import { posix } from 'node:path';
import type { ContainerConfig, Descriptor, Healthcheck, HistoryEntry, ImageRepository, InheritedStep } from '@prebuilt/oci';
import type { PlatformParts } from '../artifacts/platform.ts';
import { DockerfileError } from '../dockerfile/errors.ts';
import type {
  CommandForm,
  Dockerfile,
  Instruction,
  InstructionBody,
  Pair,
} from '../dockerfile/instructions.ts';
import { expandWord, variablesIn, WordError } from '../dockerfile/words.ts';
import { findGroup, findUser } from './base/accounts.ts';
import type { BaseImage, StoredLayer } from './base/base-image.ts';
import type { StoredBlob } from './base/store.ts';
import {
  type BuildContext,
  type ContextFolder,
  type ContextNode,
  contextNode,
  contextTree,
} from './context.ts';
import { FileTree, type LayerPath, type Owner, PathConflict } from './file-tree.ts';
import { describeHealthcheck, describePorts, type HistoryFormat, quoteList } from './history.ts';

/** What an image has from its base, and where that is on disk. */
export interface PlannedBase {
  /** As the Dockerfile writes it. */
  readonly name: string;
  /** In full, with the digest. */
  readonly reference: string;
  readonly repository: ImageRepository;
  readonly manifest: Descriptor;
  readonly documents: readonly StoredBlob[];
  readonly layers: readonly StoredLayer[];
  /** The steps of its history; undefined where the base does not tell of each of its layers. */
  readonly inherited: readonly InheritedStep[] | undefined;
}

/** What an image of one platform is, before any byte of it is packed. */
export interface ImagePlan {
  /** Absent of an image from scratch. */
  readonly base?: PlannedBase | undefined;
  readonly author?: string | undefined;
  readonly config: ContainerConfig;
  readonly history: readonly HistoryEntry[];
  /** The paths of each of its own layers, in the order of a walk. */
  readonly layers: readonly (readonly LayerPath[])[];
}

/** What decides an image besides its Dockerfile. */
export interface ImageFacts {
  readonly platform: PlatformParts;
  readonly context: BuildContext;
  readonly labels: Readonly<Record<string, string>>;
  readonly historyFormat: HistoryFormat;
  /** What it starts from, where that is an image. */
  readonly base?: BaseImage | undefined;
}

const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
const LAYER_LIMIT = 127;
const ROOT: Owner = { uid: 0, gid: 0 };

/**
 * Works out what BuildKit would make of a Dockerfile: layers, configuration and history. Throws a `DockerfileError`
 * with line and instruction for a source that is not in the context, a path that can't be, or a value that the
 * builders would not take alike.
 */
export function planImage(dockerfile: Dockerfile, facts: ImageFacts): ImagePlan {
  if ((dockerfile.from.image === 'scratch') !== (facts.base === undefined))
    throw new Error(`${dockerfile.source}: planned with another base than ${dockerfile.from.image}`);
  const image = new PlannedImage(dockerfile.escapeCharacter, facts);
  for (const instruction of dockerfile.instructions) {
    try {
      image.apply(instruction);
    } catch (error) {
      const where = { source: dockerfile.source, line: instruction.line, keyword: instruction.keyword };
      if (error instanceof CopyProblem || error instanceof PathConflict) {
        const hint = error instanceof CopyProblem ? error.hint : undefined;
        throw new DockerfileError('DOCKERFILE_COPY', where, error.message, { hint });
      }
      if (error instanceof WordError) throw new DockerfileError('DOCKERFILE_SYNTAX', where, error.message);
      throw error;
    }
  }
  return image.finish();
}

class CopyProblem extends Error {
  readonly hint: string | undefined;

  constructor(message: string, hint?: string) {
    super(message);
    this.hint = hint;
  }
}

class PlannedImage {
  readonly #escape: string;
  readonly #facts: ImageFacts;
  readonly #context: ContextFolder;
  readonly #tree: FileTree;
  readonly #layers: (readonly LayerPath[])[] = [];
  readonly #history: HistoryEntry[] = [];
  readonly #variables = new Map<string, string>();
  /** What has no `=` in the base has no value. */
  readonly #env = new Map<string, string | undefined>();
  readonly #labels: Map<string, string>;
  readonly #ports: Set<string>;
  readonly #volumes: Set<string>;
  #user: string;
  #workingDir: string;
  #entrypoint: readonly string[] | undefined;
  #cmd: readonly string[] | undefined;
  #ownCmd = false;
  #argsEscaped: boolean;
  #stopSignal: string | undefined;
  #healthcheck: Healthcheck | undefined;
  readonly #shell: readonly string[] | undefined;

  constructor(escapeCharacter: string, facts: ImageFacts) {
    this.#escape = escapeCharacter;
    this.#facts = facts;
    this.#context = contextTree(facts.context);
    this.#tree = facts.base?.tree.clone() ?? new FileTree();
    const inherited = facts.base?.config.config;
    for (const entry of inherited?.env ?? []) {
      const equals = entry.indexOf('=');
      const name = equals < 0 ? entry : entry.slice(0, equals);
      this.#env.set(name, equals < 0 ? undefined : entry.slice(equals + 1));
    }
    if (!this.#env.has('PATH')) this.#env.set('PATH', DEFAULT_PATH);
    for (const [name, value] of this.#env) this.#variables.set(name, value ?? '');
    this.#labels = new Map(Object.entries(inherited?.labels ?? {}));
    this.#ports = new Set(inherited?.exposedPorts);
    this.#volumes = new Set(inherited?.volumes);
    this.#user = inherited?.user ?? '';
    this.#workingDir = inherited?.workingDir ?? '/';
    this.#entrypoint = inherited?.entrypoint;
    this.#cmd = inherited?.cmd;
    this.#argsEscaped = inherited?.argsEscaped ?? false;
    this.#stopSignal = inherited?.stopSignal;
    this.#healthcheck = inherited?.healthcheck;
    this.#shell = inherited?.shell;
  }

  apply(instruction: Instruction): void {
    switch (instruction.keyword) {
      case 'ARG':
        this.#arg(instruction.pairs);
        break;
      case 'ENV':
        this.#setEnv(this.#expandPairs(instruction.pairs));
        break;
      case 'LABEL':
        this.#setLabels(this.#expandPairs(instruction.pairs));
        break;
      case 'COPY':
        this.#copy(instruction);
        break;
      case 'EXPOSE':
        this.#expose(instruction.words);
        break;
      case 'VOLUME':
        this.#volume(instruction.words);
        break;
      case 'STOPSIGNAL':
        this.#stopSignal = this.#expandPlain(instruction.word);
        this.#describe(`STOPSIGNAL ${this.#stopSignal}`);
        break;
      case 'USER':
        this.#user = this.#expandPlain(instruction.word);
        this.#describe(`USER ${this.#user}`);
        break;
      case 'WORKDIR':
        this.#workdir(this.#expand(instruction.word));
        break;
      case 'CMD':
        this.#cmd = this.#commandArgs(instruction.command);
        this.#ownCmd = true;
        this.#argsEscaped = true;
        this.#describe(`CMD ${quoteList(this.#cmd)}`);
        break;
      case 'ENTRYPOINT':
        this.#entrypoint = this.#commandArgs(instruction.command);
        // The arguments of the base were meant for its own entrypoint.
        if (!this.#ownCmd) this.#cmd = undefined;
        this.#describe(`ENTRYPOINT ${quoteList(this.#entrypoint)}`);
        break;
      case 'HEALTHCHECK':
        this.#setHealthcheck(instruction.check);
        break;
    }
  }

  finish(): ImagePlan {
    return {
      base: this.#facts.base && plannedBase(this.#facts.base),
      author: this.#facts.base?.config.author,
      config: {
        user: this.#user,
        exposedPorts: [...this.#ports],
        env: [...this.#env].map(([name, value]) => (value === undefined ? name : `${name}=${value}`)),
        entrypoint: this.#entrypoint,
        cmd: this.#cmd,
        volumes: [...this.#volumes],
        workingDir: this.#workingDir,
        labels: { ...Object.fromEntries(this.#labels), ...this.#facts.labels },
        stopSignal: this.#stopSignal,
        argsEscaped: this.#argsEscaped,
        healthcheck: this.#healthcheck,
        shell: this.#shell,
      },
      history: this.#history,
      layers: this.#layers,
    };
  }

  #arg(pairs: readonly Pair[]): void {
    const declared = new Set(pairs.map(({ name }) => name));
    const words = pairs.map(({ name, value }) => {
      checkName(name);
      refuseMachineArg(name);
      const mentioned = value === undefined ? [] : [...variablesIn(value, this.#escape)];
      const sibling = mentioned.find((each) => each !== name && declared.has(each));
      if (sibling !== undefined) {
        throw new WordError(
          `${name}: uses ${sibling} of the same ARG, which builders understand differently; use two`,
        );
      }
      if (this.#env.has(name))
        throw new WordError(`${name}: is set by ENV, which builders treat differently`);
      return { name, value: value === undefined ? undefined : this.#expand(value) };
    });
    const described = words.map(({ name, value }) => {
      const built = this.#platformArg(name);
      const given = built ?? value;
      if (given !== undefined) this.#variables.set(name, given);
      const shown = this.#facts.historyFormat === 'moby-28' ? given : value;
      return shown === undefined ? name : `${name}=${shown}`;
    });
    this.#describe(`ARG ${described.join(' ')}`);
  }

  #platformArg(name: string): string | undefined {
    const { os, architecture, variant } = this.#facts.platform;
    switch (name) {
      case 'TARGETPLATFORM':
        return [os, architecture, variant].filter((part) => part !== undefined).join('/');
      case 'TARGETOS':
        return os;
      case 'TARGETARCH':
        return architecture;
      case 'TARGETVARIANT':
        return variant ?? '';
      default:
        return undefined;
    }
  }

  #setEnv(pairs: readonly (readonly [string, string])[]): void {
    for (const [name, value] of pairs) {
      checkName(name);
      this.#env.set(name, value);
      this.#variables.set(name, value);
    }
    this.#describe(`ENV ${pairs.map(([name, value]) => `${name}=${value}`).join(' ')}`);
  }

  #setLabels(pairs: readonly (readonly [string, string])[]): void {
    for (const [name, value] of pairs) {
      if (name === '') throw new WordError('expected a name, found none');
      this.#labels.set(name, value);
    }
    this.#describe(`LABEL ${pairs.map(([name, value]) => `${name}=${value}`).join(' ')}`);
  }

  #expose(words: readonly string[]): void {
    const ports = words.flatMap((word) => portsOf(this.#expand(word)));
    for (const port of ports) this.#ports.add(port);
    this.#describe(describePorts(ports, this.#facts.historyFormat));
  }

  #volume(words: readonly string[]): void {
    const volumes = words.map((word) => this.#expandPlain(word));
    for (const volume of volumes) this.#volumes.add(volume);
    this.#describe(`VOLUME [${volumes.join(' ')}]`);
  }

  #workdir(path: string): void {
    if (path === '') throw new WordError('expected a path, found none');
    const absolute = posix.resolve(this.#workingDir, path);
    this.#workingDir = absolute;
    if (absolute === '/') {
      this.#describe('WORKDIR /');
      return;
    }
    const owner = this.#user === '' ? ROOT : this.#ownerOf(this.#user, 'USER');
    this.#layer(`WORKDIR ${absolute}`, (tree) => tree.makeFolder(absolute, owner));
  }

  #copy(copy: Extract<InstructionBody, { readonly keyword: 'COPY' }>): void {
    const chown = copy.chown === undefined ? undefined : this.#expandPlain(copy.chown);
    const chmod = copy.chmod === undefined ? undefined : this.#expandPlain(copy.chmod);
    const owner = chown === undefined ? ROOT : this.#ownerOf(chown, '--chown');
    const mode = chmod === undefined ? undefined : modeOf(chmod);
    const names = copy.sources.map((source) => this.#expandPlain(source));
    const given = this.#expandPlain(copy.destination);
    const destination = destinationOf(given, this.#workingDir);
    const sources = names.map((name) => ({ name, node: this.#source(name) }));
    if (sources.length > 1 && !destination.endsWith('/')) {
      throw new CopyProblem(`${given}: expected a folder, with a "/" at its end, for more than one source`);
    }
    const folder = sources.find(({ node }) => node.kind === 'folder');
    if (folder !== undefined && mode !== undefined && mode !== 0o755) {
      throw new CopyProblem(
        `--chmod=${chmod} on the folder ${folder.name}: BuildKit's versions differ in the mode of the folder itself`,
        'Copy its files one by one with --chmod, or use --chmod=755.',
      );
    }
    const words = [
      'COPY',
      ...(chown === undefined ? [] : [`--chown=${chown}`]),
      ...(chmod === undefined ? [] : [`--chmod=${chmod}`]),
      ...names,
      given,
    ];
    const act = (tree: FileTree): void => {
      for (const { name, node } of sources)
        tree.copy(node, posix.basename(name), destination, { owner, mode });
    };
    this.#layer(`${words.join(' ')} # buildkit`, act, copy.link);
  }

  #source(name: string): ContextNode {
    if (/[*?[\]\\]/.test(name)) {
      throw new CopyProblem(`${name}: wildcards are not supported`, 'Name the file or the folder.');
    }
    if (name.split('/').includes('..')) {
      throw new CopyProblem(
        `${name}: is outside the build context`,
        'Copy only what is inside the folder of the build.',
      );
    }
    if (/^[a-z][a-z0-9+.-]*:\/\//i.test(name))
      throw new CopyProblem(`${name}: is no file of the build context`);
    const node = contextNode(this.#context, name);
    if (node === undefined || (node.kind === 'file' && name.endsWith('/'))) {
      const there = [...this.#context.children].map(([each, { kind }]) =>
        kind === 'folder' ? `${each}/` : each,
      );
      throw new CopyProblem(
        `${name}: expected a file or folder of the build context, found none`,
        `The context holds ${there.sort().join(', ')}.`,
      );
    }
    return node;
  }

  #layer(description: string, act: (tree: FileTree) => void, apart = false): void {
    if (this.#layers.length + (this.#facts.base?.layers.length ?? 0) === LAYER_LIMIT) {
      throw new CopyProblem(`makes more than ${LAYER_LIMIT} layers, which engines can't mount`);
    }
    if (apart) {
      const upper = new FileTree();
      act(upper);
      this.#layers.push(upper.changesSince(new FileTree()));
      this.#tree.overlay(upper);
    } else {
      const before = this.#tree.clone();
      act(this.#tree);
      this.#layers.push(this.#tree.changesSince(before));
    }
    this.#history.push({ createdBy: description, emptyLayer: false });
  }

  #setHealthcheck(check: Extract<InstructionBody, { readonly keyword: 'HEALTHCHECK' }>['check']): void {
    const { command, interval, timeout, startPeriod, retries } = check;
    const test =
      command === undefined
        ? ['NONE']
        : command.form === 'exec'
          ? ['CMD', ...command.args]
          : ['CMD-SHELL', command.text];
    this.#healthcheck = { test, interval, timeout, startPeriod, retries };
    this.#describe(describeHealthcheck(test, check));
  }

  #commandArgs(command: CommandForm): readonly string[] {
    if (command.form === 'exec') return command.args;
    return [...(this.#shell?.length ? this.#shell : ['/bin/sh', '-c']), command.text];
  }

  // Names are looked up in the lists of the base, as long as these are the base's.
  #ownerOf(text: string, what: string): Owner {
    const [user = '', group, ...more] = text.split(':');
    const { base } = this.#facts;
    const lists = base?.accounts ?? { passwd: undefined, group: undefined };
    const named = idOf(user);
    const owner =
      named === undefined && this.#tree.isOfBase('/etc/passwd')
        ? findUser(lists, user)
        : named !== undefined
          ? { uid: named, gid: named }
          : undefined;
    const numbered = group === undefined ? undefined : idOf(group);
    const gid =
      group === undefined
        ? owner?.gid
        : numbered === undefined && this.#tree.isOfBase('/etc/group')
          ? findGroup(lists, group)
          : numbered;
    if (owner !== undefined && gid !== undefined && more.length === 0) return { uid: owner.uid, gid };
    throw new CopyProblem(
      `${what}: expected numbers such as 65534 or 1000:1001${base === undefined ? '' : `, or names of ${base.reference.name}`}, found ${JSON.stringify(text)}`,
      base === undefined
        ? 'An image from scratch has no list of users to look names up in.'
        : 'Names are looked up in /etc/passwd and /etc/group of the base.',
    );
  }

  #describe(createdBy: string): void {
    this.#history.push({ createdBy, emptyLayer: true });
  }

  #expand(word: string): string {
    return expandWord(word, (name) => this.#variables.get(name), this.#escape);
  }

  #expandPlain(word: string): string {
    const expanded = this.#expand(word);
    if (expanded === '')
      throw new WordError(`expected a value, found none after expanding ${JSON.stringify(word)}`);
    return expanded;
  }

  // Variables have the values from before the instruction, also where it sets them.
  #expandPairs(pairs: readonly Pair[]): readonly (readonly [string, string])[] {
    return pairs.map(({ name, value }) => [this.#expand(name), this.#expand(value ?? '')] as const);
  }
}

function plannedBase({ reference, manifest, documents, config, layers }: BaseImage): PlannedBase {
  const { name, reference: full, registry, repository } = reference;
  return { name, reference: full, repository: { registry, repository }, manifest, documents, layers, inherited: config.history };
}

function checkName(name: string): void {
  if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) {
    throw new WordError(`expected a name of letters, digits and "_", found ${JSON.stringify(name)}`);
  }
}

const MACHINE_ARG =
  /^(BUILD(PLATFORM|OS|ARCH|VARIANT|KIT_.*)|TARGETSTAGE|SOURCE_DATE_EPOCH|(HTTPS?|FTP|NO|ALL)_PROXY)$/i;

// Their values come from the machine that builds, so the image would depend on it.
function refuseMachineArg(name: string): void {
  if (MACHINE_ARG.test(name))
    throw new WordError(`${name}: depends on the machine that builds, not on the image`);
}

function idOf(text: string): number | undefined {
  return /^\d{1,10}$/.test(text) && Number(text) < 2 ** 31 ? Number(text) : undefined;
}

function modeOf(text: string): number {
  if (/^[0-7]{3,5}$/.test(text) && Number.parseInt(text, 8) <= 0o7777) return Number.parseInt(text, 8);
  throw new CopyProblem(`--chmod: expected an octal mode such as 755, found ${JSON.stringify(text)}`);
}

function destinationOf(given: string, workingDir: string): string {
  const path = given.replace(/^(\.\/)+/, './');
  const parts = path.split('/');
  const odd = parts.some((part, index) => part === '..' || (part === '.' && index > 0));
  if (odd) throw new CopyProblem(`${given}: "." and ".." are not supported inside a destination`);
  const absolute = posix.resolve(workingDir, path);
  return absolute !== '/' && (path === '.' || path.endsWith('/')) ? `${absolute}/` : absolute;
}

function portsOf(text: string): readonly string[] {
  const [, first, last, protocol = 'tcp'] =
    /^(\d{1,5})(?:-(\d{1,5}))?(?:\/(tcp|udp|sctp))?$/.exec(text) ?? [];
  const from = Number(first);
  const to = Number(last ?? first);
  if (first === undefined || from < 1 || to > 65_535 || from > to) {
    throw new WordError(`expected a port such as 8080 or 53/udp, found ${JSON.stringify(text)}`);
  }
  return Array.from({ length: to - from + 1 }, (_, index) => `${from + index}/${protocol}`);
}
