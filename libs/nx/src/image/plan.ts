import { createHash } from 'node:crypto';
import { posix } from 'node:path';
import type {
  ContainerConfig,
  Descriptor,
  Healthcheck,
  HistoryEntry,
  ImageRepository,
  InheritedStep,
} from '@prebuilt/oci';
import type { PlatformParts } from '../artifacts/platform.ts';
import { DockerfileError } from '../dockerfile/errors.ts';
import type {
  CommandForm,
  CopyInstruction,
  Dockerfile,
  Instruction,
  InstructionBody,
  Pair,
} from '../dockerfile/instructions.ts';
import { isSignal } from '../dockerfile/signal.ts';
import type { HereDocument, NamedImage } from '../dockerfile/statements.ts';
import { expandDocument, expandWord, variablesIn, WordError } from '../dockerfile/words.ts';
import { archiveOf, checkAdded, hasOtherOwners } from './archives/check-added.ts';
import type { BaseImage, StoredLayer } from './base/base-image.ts';
import type { StoredBlob } from './base/store.ts';
import { type BuildContext, type ContextFile, type ContextFolder, contextTree } from './context.ts';
import type { ContextTexts } from './context-texts.ts';
import {
  CopyProblem,
  findParented,
  findSources,
  type ParentedSource,
  parseExclusions,
  withoutExcluded,
} from './copy-sources.ts';
import { type Chmod, parseChmod } from './file-mode.ts';
import { FileTree, UNKNOWN_OWNER } from './file-tree.ts';
import { describeHealthcheck, describePorts, type HistoryFormat, quoteList } from './history.ts';
import type { LayerPath } from './layer-paths.ts';
import { OwnerError, ownerOf } from './owners.ts';
import { type Owner, PathConflict, ROOT } from './tree-nodes.ts';

/** What an image inherits from its base, and its location on disk. */
export interface PlannedBase {
  /** The name as written in the Dockerfile. */
  readonly name: string;
  /** The full reference, with the digest. */
  readonly reference: string;
  readonly repository: ImageRepository;
  readonly manifest: Descriptor;
  readonly documents: readonly StoredBlob[];
  readonly layers: readonly StoredLayer[];
  /** The steps of its history; undefined if the base doesn't list all of its layers. */
  readonly inherited: readonly InheritedStep[] | undefined;
}

/** The plan for one platform's image, before anything is packed. */
export interface ImagePlan {
  /** Absent for an image from scratch. */
  readonly base?: PlannedBase | undefined;
  /** The `MAINTAINER`, from here or from the base. */
  readonly author: string | undefined;
  readonly config: ContainerConfig;
  readonly history: readonly HistoryEntry[];
  /** The paths in each of its own layers, in walk order. */
  readonly layers: readonly (readonly LayerPath[])[];
  /**
   * Why only the number of layers is known, in line order; empty if every path in every layer is planned. If not empty,
   * `layers` contains only what is copied from the context.
   */
  readonly unplanned: readonly Unplanned[];
  /** The context's files in the finished image, if anything is unplanned. */
  readonly files: readonly LayerPath[];
  /** The image's own lists of users and groups. */
  readonly lists: ImageLists;
  /** The features that need a minimum BuildKit version, in line order. */
  readonly needs: readonly BuildKitNeed[];
}

/** An instruction whose result doesn't follow from the Dockerfile and the context. */
export interface Unplanned {
  /** The instruction and its location, such as `Dockerfile:3: RUN`. */
  readonly what: string;
  readonly source: string;
  readonly line: number;
  readonly keyword: string;
}

/** An image's `/etc/passwd` and `/etc/group`. */
export interface ImageLists {
  readonly passwd: ImageList;
  readonly group: ImageList;
}

/** A list of users or groups: its text, or that there is none, or that its content is unknown. */
export type ImageList =
  | { readonly kind: 'read'; readonly text: string; readonly path: string }
  | { readonly kind: 'none' }
  | { readonly kind: 'unread'; readonly path: string }
  | { readonly kind: 'unplanned' };

/** A feature that needs a minimum version of BuildKit. */
export interface BuildKitNeed {
  /** The feature, such as `COPY --parents`. */
  readonly what: string;
  /** `0.26`. */
  readonly since: string;
}

/** The facts that determine an image, besides its Dockerfile. */
export interface ImageFacts {
  readonly platform: PlatformParts;
  readonly context: BuildContext;
  readonly labels: Readonly<Record<string, string>>;
  readonly historyFormat: HistoryFormat;
  /** The known content of files. */
  readonly texts?: ContextTexts | undefined;
  /** The base; undefined for an image from scratch. */
  readonly base?: BaseImage | undefined;
}

/*
 * https://docs.docker.com/build/buildkit/dockerfile-release-notes/ lists the frontend's versions and dates: 1.14 and
 * BuildKit 0.20 are from February 2025, 1.19 and 0.25 from September, 1.20 and 0.26 from November. BuildKit 0.13
 * refuses the flags and silently ignores a symbolic mode (seen). Up to 0.22, an archive's content keeps its own owners:
 * https://github.com/moby/buildkit/blob/v0.23.0/solver/llbsolver/file/unpack.go
 */
const SINCE = { chmod: '0.20', chownArchive: '0.23', exclude: '0.25', parents: '0.26' } as const;

const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
const DEFAULT_SHELL = ['/bin/sh', '-c'];
const MAX_LAYERS = 127;

/**
 * Determines what BuildKit would build from a Dockerfile: layers, configuration and history. Throws a `DockerfileError`
 * with line and instruction for a source that isn't in the context, an impossible path, or a value that builders would
 * treat differently.
 */
export function planImage(dockerfile: Dockerfile, facts: ImageFacts): ImagePlan {
  const { source } = dockerfile;
  if ((dockerfile.from.image === 'scratch') !== (facts.base === undefined))
    throw new Error(`${source}: planned with a base other than ${dockerfile.from.image}`);
  const image = new PlannedImage(dockerfile, facts);
  const at = (where: { readonly line: number; readonly keyword: string }, act: () => void): void => {
    try {
      act();
    } catch (error) {
      if (error instanceof CopyProblem || error instanceof PathConflict || error instanceof OwnerError) {
        const hint = error instanceof PathConflict ? undefined : error.hint;
        throw new DockerfileError('DOCKERFILE_COPY', { source, ...where }, error.message, { hint });
      }
      if (error instanceof WordError) {
        throw new DockerfileError('DOCKERFILE_SYNTAX', { source, ...where }, error.message);
      }
      if (error instanceof BaseProblem) {
        const { hint } = error;
        throw new DockerfileError('DOCKERFILE_REFUSED', { source, ...where }, error.message, { hint });
      }
      throw error;
    }
  };
  for (const global of dockerfile.globals) {
    at({ line: global.line, keyword: 'ARG' }, () => image.declare(global));
  }
  at({ line: dockerfile.from.line, keyword: 'FROM' }, () => image.start(dockerfile.from));
  if (dockerfile.frontend !== undefined) image.read(dockerfile.frontend);
  for (const instruction of dockerfile.instructions) at(instruction, () => image.apply(instruction));
  return image.finish();
}

class BaseProblem extends Error {
  readonly hint: string;

  constructor(message: string, hint: string) {
    super(message);
    this.hint = hint;
  }
}

class PlannedImage {
  readonly #escape: string;
  readonly #source: string;
  readonly #facts: ImageFacts;
  readonly #context: ContextFolder;
  readonly #tree: FileTree;
  readonly #layers: (readonly LayerPath[])[] = [];
  readonly #history: HistoryEntry[] = [];
  readonly #variables = new Map<string, string>();
  /** A variable without `=` in the base has no value. */
  readonly #env = new Map<string, string | undefined>();
  readonly #labels: Map<string, string>;
  readonly #ports: Set<string>;
  readonly #volumes: Set<string>;
  readonly #globals = new Map<string, string | undefined>();
  readonly #triggers: string[] = [];
  readonly #needs: BuildKitNeed[] = [];
  readonly #unplanned: Unplanned[] = [];
  #user: string;
  #workingDir: string;
  #entrypoint: readonly string[] | undefined;
  #cmd: readonly string[] | undefined;
  #ownCmd = false;
  #argsEscaped: boolean;
  #stopSignal: string | undefined;
  #healthcheck: Healthcheck | undefined;
  #shell: readonly string[] | undefined;
  #author: string | undefined;

  constructor({ escapeCharacter, source }: Dockerfile, facts: ImageFacts) {
    this.#escape = escapeCharacter;
    this.#source = source;
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
    this.#author = facts.base?.config.author;
  }

  /** An `ARG` before `FROM`. */
  declare({ name, value }: Pair): void {
    checkName(name);
    refuseMachineArg(name);
    if (this.#platformArg(name) !== undefined) {
      throw new WordError(
        `${name}: is predefined for FROM, and this ARG would make it empty after FROM; remove the line`,
      );
    }
    this.#globals.set(name, value === undefined ? undefined : this.#expandGlobal(value));
  }

  /** `# syntax=`: another program determines the file's meaning. */
  read({ image, line }: NamedImage): void {
    this.#leavePlan({ line, keyword: `# syntax=${image}` });
  }

  /** `FROM`. */
  start({ platform }: Pick<Dockerfile['from'], 'platform'>): void {
    if (platform === undefined) return;
    const wanted = this.#platformArg('TARGETPLATFORM') ?? '';
    const named = this.#expandGlobal(platform);
    if (named === wanted) return;
    throw new BaseProblem(
      `--platform=${platform}: expected the image’s platform, ${wanted}, found ${JSON.stringify(named)}`,
      'The image is only for that platform: remove the flag, or use --platform=$TARGETPLATFORM.',
    );
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
      case 'ADD':
      case 'COPY':
        this.#copy(instruction);
        break;
      case 'FROM':
        this.start(instruction);
        // ENTRYPOINT resets a previous stage's CMD just like a base's.
        this.#ownCmd = false;
        break;
      case 'RUN':
        this.#leavePlan(instruction);
        this.#layer(`RUN ${instruction.text} # buildkit`, () => {});
        break;
      case 'EXPOSE':
        this.#expose(instruction.words);
        break;
      case 'VOLUME':
        this.#volume(instruction.words);
        break;
      case 'STOPSIGNAL':
        this.#stopSignal = signalOf(this.#expandPlain(instruction.word));
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
        // The base's arguments were meant for its own entrypoint.
        if (!this.#ownCmd) this.#cmd = undefined;
        this.#describe(`ENTRYPOINT ${quoteList(this.#entrypoint)}`);
        break;
      case 'SHELL':
        this.#shell = instruction.args;
        this.#describe(`SHELL [${instruction.args.join(' ')}]`);
        break;
      case 'MAINTAINER':
        this.#author = instruction.text;
        this.#describe(`MAINTAINER ${instruction.text}`);
        break;
      case 'ONBUILD':
        this.#triggers.push(instruction.text);
        break;
      case 'HEALTHCHECK':
        this.#setHealthcheck(instruction.check);
        break;
    }
  }

  finish(): ImagePlan {
    return {
      base: this.#facts.base && plannedBase(this.#facts.base),
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
        onBuild: this.#triggers,
        shell: this.#shell,
      },
      author: this.#author,
      history: this.#history,
      layers: this.#layers,
      unplanned: this.#unplanned,
      files: this.#unplanned.length === 0 ? [] : this.#tree.ownFiles(),
      lists: { passwd: this.#imageList('/etc/passwd'), group: this.#imageList('/etc/group') },
      needs: this.#needs,
    };
  }

  #leavePlan({ line, keyword }: { readonly line: number; readonly keyword: string }): void {
    const source = this.#source;
    this.#unplanned.push({ what: `${source}:${line}: ${keyword}`, source, line, keyword });
  }

  #imageList(path: string): ImageList {
    const file = this.#tree.fileAt(path);
    if (file !== undefined) {
      const text = file.content ?? this.#facts.texts?.lists.get(file.sha256);
      return text === undefined
        ? { kind: 'unread', path: file.path }
        : { kind: 'read', text, path: file.path };
    }
    if (this.#unplanned.length > 0) return { kind: 'unplanned' };
    if (!this.#tree.isOfBase(path)) return { kind: 'none' };
    const { accounts, reference } = this.#facts.base ?? {};
    const text = accounts?.[path === '/etc/passwd' ? 'passwd' : 'group'];
    return text === undefined
      ? { kind: 'none' }
      : { kind: 'read', text, path: `${path} of ${reference?.name}` };
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
          `${name}: uses ${sibling} from the same ARG, which builders interpret differently; use two instructions`,
        );
      }
      if (this.#env.has(name))
        throw new WordError(`${name}: is already set by ENV, which builders treat differently`);
      return { name, value: value === undefined ? undefined : this.#expand(value) };
    });
    const described = words.map(({ name, value }) => {
      const given = value ?? this.#globals.get(name) ?? this.#platformArg(name);
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
    const absolute = posix.resolve('/', this.#workingDir, path);
    this.#workingDir = absolute;
    if (absolute === '/') {
      this.#describe('WORKDIR /');
      return;
    }
    const owner = this.#user === '' ? ROOT : this.#ownerOf(this.#user, 'USER');
    this.#layer(`WORKDIR ${absolute}`, (tree) => tree.makeFolder(absolute, owner));
  }

  #copy(copy: CopyInstruction & { readonly line: number }): void {
    const { keyword, link, line } = copy;
    const chown = copy.chown === undefined ? undefined : this.#expandPlain(copy.chown);
    const chmod = copy.chmod === undefined ? undefined : this.#expandPlain(copy.chmod);
    const owner = chown === undefined ? ROOT : this.#ownerOf(chown, '--chown', link);
    const mode = chmod === undefined ? undefined : modeOf(chmod);
    const names = copy.sources.map((source) => this.#expandPlain(source));
    const given = this.#expandPlain(copy.destination);
    const destination = destinationOf(given, this.#workingDir);
    const elsewhere = copy.from !== undefined;
    if (elsewhere) this.#leavePlan({ line, keyword: `COPY --from=${copy.from}` });
    const found = elsewhere ? [] : this.#copiedFiles(copy, names, given, destination);
    const added = keyword === 'ADD' ? found.flatMap(({ node }) => archiveOf(node) ?? []) : [];
    const owners = chown === undefined ? undefined : owner;
    for (const archive of added) checkAdded(archive, { chmod, exclude: copy.exclude });
    if (owners !== undefined && added.some((archive) => hasOtherOwners(archive, owners))) {
      this.#needs.push({ what: 'ADD --chown of an archive with other owners', since: SINCE.chownArchive });
    }
    const foreign = added.find(({ archive }) => archive.kind === 'foreign')?.archive;
    if (foreign?.kind === 'foreign')
      this.#leavePlan({ line, keyword: `ADD of an archive ${foreign.because}` });
    for (const { path, node } of found) {
      if (node.kind === 'file') continue;
      if (mode !== undefined && mode.change(node.mode, true) !== 0o755) {
        throw new CopyProblem(
          `--chmod=${chmod} on the folder ${path}: BuildKit versions differ in the mode of the folder itself`,
          'Copy its files one by one with --chmod, or use --chmod=755.',
        );
      }
    }
    this.#note(keyword, copy, mode);
    const words = [
      keyword,
      ...(chown === undefined ? [] : [`--chown=${chown}`]),
      ...(chmod === undefined ? [] : [`--chmod=${chmod}`]),
      ...names,
      ...copy.documents.map(({ name }) => `<<${name}`),
      given,
    ];
    const act = (tree: FileTree): void => {
      for (const { path, node, inner } of found) {
        const unpacked = keyword === 'ADD' ? archiveOf(node) : undefined;
        if (unpacked !== undefined) {
          const { file, archive } = unpacked;
          if (archive.kind === 'entries')
            tree.unpack({ file, entries: archive.entries }, destination, owner, owners);
          continue;
        }
        const target = inner === undefined ? destination : posix.join(destination, inner);
        tree.copy(node, posix.basename(path), target, { owner, mode: mode?.change });
      }
    };
    this.#layer(`${words.join(' ')} # buildkit`, act, link);
  }

  /** The copied files, in order: sources, then inline files from the Dockerfile. */
  #copiedFiles(
    { parents, exclude, documents }: CopyInstruction,
    names: readonly string[],
    given: string,
    destination: string,
  ): readonly (Omit<ParentedSource, 'inner'> & { readonly inner?: string })[] {
    const found = names.flatMap((name) =>
      parents ? findParented(this.#context, name) : findSources(this.#context, name),
    );
    if (names.length + documents.length > 1 && !destination.endsWith('/') && !parents) {
      throw new CopyProblem(`${given}: expected a folder with a trailing "/", for more than one source`);
    }
    if (found.length > names.length && !destination.endsWith('/') && !parents) {
      throw new CopyProblem(
        `${given}: expected a folder with a trailing "/", for the ${found.length} files that the pattern matches`,
        'BuildKit would overwrite one with another.',
      );
    }
    const isExcluded = parseExclusions(exclude.map((pattern) => this.#expandPlain(pattern)));
    const written = documents.map((document) => ({
      path: document.name,
      node: { kind: 'file' as const, file: this.#documentFile(document) },
    }));
    return [
      ...(exclude.length === 0
        ? found
        : found.map((each) => ({ ...each, node: withoutExcluded(each, isExcluded) }))),
      ...written,
    ];
  }

  #documentFile({ name, text, expands }: HereDocument): ContextFile {
    const content = expands ? expandDocument(text, (variable) => this.#variables.get(variable)) : text;
    return {
      path: name,
      source: `${this.#source} (<<${name})`,
      mode: 0o644,
      size: Buffer.byteLength(content),
      sha256: createHash('sha256').update(content).digest('hex'),
      content,
    };
  }

  #note(keyword: string, { exclude, parents }: CopyInstruction, mode: Chmod | undefined): void {
    const need = (flag: string, since: string): void => {
      this.#needs.push({ what: `${keyword} --${flag}`, since });
    };
    if (mode?.symbolic) need('chmod by letters', SINCE.chmod);
    if (exclude.length > 0) need('exclude', SINCE.exclude);
    if (parents) need('parents', SINCE.parents);
  }

  #ownerOf(text: string, what: string, link = false): Owner {
    const named = text.split(':').some((part) => !/^\d*$/.test(part));
    // What was executed may have changed the lists, and usually did, since that is how users are added.
    if (named && this.#unplanned.length > 0) return UNKNOWN_OWNER;
    return ownerOf(text, what, () => {
      if (link) {
        throw new OwnerError(
          `${what}=${text}: names can't be looked up with --link, which has no access to the image's files`,
          'Use numeric IDs, or remove --link.',
        );
      }
      return { passwd: this.#listAt('/etc/passwd'), group: this.#listAt('/etc/group') };
    });
  }

  #listAt(path: string): string | undefined {
    const list = path === '/etc/passwd' ? 'passwd' : 'group';
    if (this.#tree.isOfBase(path)) return this.#facts.base?.accounts[list];
    const file = this.#tree.fileAt(path);
    if (file === undefined) return undefined;
    const text = file.content ?? this.#facts.texts?.lists.get(file.sha256);
    if (text !== undefined) return text;
    throw new OwnerError(
      `${path}: is copied from ${file.path}, which is not read as a list of users`,
      `Name the file ${posix.basename(path)}, or use numeric IDs.`,
    );
  }

  #layer(description: string, act: (tree: FileTree) => void, apart = false): void {
    if (this.#layers.length + (this.#facts.base?.layers.length ?? 0) === MAX_LAYERS) {
      throw new CopyProblem(`creates more than ${MAX_LAYERS} layers, which engines can't mount`);
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
    const { command, interval, timeout, startPeriod, startInterval, retries } = check;
    const test =
      command === undefined
        ? ['NONE']
        : command.form === 'exec'
          ? ['CMD', ...command.args]
          : ['CMD-SHELL', command.text];
    this.#healthcheck = { test, interval, timeout, startPeriod, startInterval, retries };
    this.#describe(describeHealthcheck(test, check));
  }

  #describe(createdBy: string): void {
    this.#history.push({ createdBy, emptyLayer: true });
  }

  #commandArgs(command: CommandForm): readonly string[] {
    if (command.form === 'exec') return command.args;
    return [...(this.#shell?.length ? this.#shell : DEFAULT_SHELL), command.text];
  }

  #expand(word: string): string {
    return expandWord(word, (name) => this.#variables.get(name), this.#escape);
  }

  // `FROM` sees only the ARGs before it, and the platform.
  #expandGlobal(word: string): string {
    for (const name of variablesIn(word, this.#escape)) refuseMachineArg(name);
    return expandWord(
      word,
      (name) => (this.#globals.has(name) ? this.#globals.get(name) : this.#platformArg(name)),
      this.#escape,
    );
  }

  #expandPlain(word: string): string {
    const expanded = this.#expand(word);
    if (expanded === '')
      throw new WordError(`expected a value, found none after expanding ${JSON.stringify(word)}`);
    return expanded;
  }

  // Variables have their values from before the instruction, even those that it sets.
  #expandPairs(pairs: readonly Pair[]): readonly (readonly [string, string])[] {
    return pairs.map(({ name, value }) => [this.#expand(name), this.#expand(value ?? '')] as const);
  }
}

function plannedBase({ reference, manifest, documents, config, layers }: BaseImage): PlannedBase {
  const { name, reference: full, registry, repository } = reference;
  return {
    name,
    reference: full,
    repository: { registry, repository },
    manifest,
    documents,
    layers,
    inherited: config.history,
  };
}

function checkName(name: string): void {
  if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) {
    throw new WordError(`expected a name of letters, digits and "_", found ${JSON.stringify(name)}`);
  }
}

const MACHINE_ARG =
  /^(BUILD(PLATFORM|OS|ARCH|VARIANT|KIT_.*)|TARGETSTAGE|SOURCE_DATE_EPOCH|(HTTPS?|FTP|NO|ALL)_PROXY)$/i;

// Their values come from the build machine, so the image would depend on it.
function refuseMachineArg(name: string): void {
  if (MACHINE_ARG.test(name)) throw new WordError(`${name}: depends on the build machine, not on the image`);
}

function modeOf(text: string): Chmod {
  const chmod = parseChmod(text);
  if (chmod !== undefined) return chmod;
  throw new CopyProblem(
    `--chmod: expected a mode such as 755 or u=rw,go=r, found ${JSON.stringify(text)}`,
    /X/.test(text) ? 'Builders interpret "X" after "=" differently: write u=rw,go=r,+X instead.' : undefined,
  );
}

function destinationOf(given: string, workingDir: string): string {
  const last = given.split('/').at(-1);
  // A relative one would mean a file, an absolute one a folder (seen with BuildKit 0.13).
  if (given !== '.' && (last === '.' || last === '..')) {
    throw new CopyProblem(`${given}: ends in "${last}"`, 'Write the folder’s path with a trailing "/".');
  }
  const absolute = posix.resolve('/', workingDir, given);
  return absolute !== '/' && (given === '.' || given.endsWith('/')) ? `${absolute}/` : absolute;
}

function signalOf(text: string): string {
  if (isSignal(text)) return text;
  throw new WordError(`expected a signal such as SIGTERM or 15, found ${JSON.stringify(text)}`);
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
