import type { HereDocument, NamedImage } from './statements.ts';

/** A name with its value; of `ARG` without a default there is none. */
export interface Pair {
  readonly name: string;
  readonly value: string | undefined;
}

/** A command as a list of arguments, or as a text for a shell. */
export type CommandForm =
  | { readonly form: 'exec'; readonly args: readonly string[] }
  | { readonly form: 'shell'; readonly text: string };

/** What a `HEALTHCHECK` says; durations in nanoseconds. */
export interface HealthcheckInstruction {
  readonly command: CommandForm | undefined;
  readonly interval: number;
  readonly timeout: number;
  readonly startPeriod: number;
  readonly startInterval: number;
  readonly retries: number;
}

/** What a `COPY` or an `ADD` says. */
export interface CopyInstruction {
  readonly keyword: 'ADD' | 'COPY';
  /** The stage or image that the sources are of; absent where they are of the build context. */
  readonly from?: string;
  readonly sources: readonly string[];
  /** Files that are written in the Dockerfile; they come after the sources. */
  readonly documents: readonly HereDocument[];
  readonly destination: string;
  readonly chown: string | undefined;
  readonly chmod: string | undefined;
  readonly link: boolean;
  /** Whether the folders above each source are kept. */
  readonly parents: boolean;
  /** Patterns of what is left out. */
  readonly exclude: readonly string[];
}

/** What an instruction does; words are as written, not yet expanded. */
export type InstructionBody =
  | { readonly keyword: 'ARG' | 'ENV' | 'LABEL'; readonly pairs: readonly Pair[] }
  | CopyInstruction
  /** The end of a stage that the next one starts from. */
  | { readonly keyword: 'FROM'; readonly platform: string | undefined }
  | { readonly keyword: 'RUN'; readonly text: string }
  | { readonly keyword: 'EXPOSE' | 'VOLUME'; readonly words: readonly string[] }
  | { readonly keyword: 'STOPSIGNAL' | 'USER' | 'WORKDIR'; readonly word: string }
  | { readonly keyword: 'CMD' | 'ENTRYPOINT'; readonly command: CommandForm }
  | { readonly keyword: 'SHELL'; readonly args: readonly string[] }
  | { readonly keyword: 'MAINTAINER' | 'ONBUILD'; readonly text: string }
  | { readonly keyword: 'HEALTHCHECK'; readonly check: HealthcheckInstruction };

/** An instruction after `FROM`, and the line it starts on, counted from 1. */
export type Instruction = InstructionBody & { readonly line: number };

/** What an image starts from. */
export interface From {
  /** `scratch`, or an image by its reference; expanded. */
  readonly image: string;
  /** As written. */
  readonly platform: string | undefined;
  /** The stage's name. */
  readonly name: string | undefined;
  /** The line it is on, counted from 1. */
  readonly line: number;
}

/**
 * A Dockerfile, as far as its image follows from it: the last stage, and those that it starts from, as one. Of the others
 * only the images that they are made from are known.
 */
export interface Dockerfile {
  readonly source: string;
  readonly escapeCharacter: '\\' | '`';
  /** Each `ARG` before `FROM`: for `FROM`, and for those after it that have no default. */
  readonly globals: readonly (Pair & { readonly line: number })[];
  readonly from: From;
  readonly instructions: readonly Instruction[];
  /** What `# syntax=` names. */
  readonly frontend?: NamedImage;
  /** The images, beside the one in `from`, of stages that the last one needs, of `COPY --from` and of `RUN --mount`. */
  readonly images: readonly NamedImage[];
}
