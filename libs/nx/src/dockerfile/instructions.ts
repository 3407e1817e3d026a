import type { HereDocument } from './statements.ts';

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
  /** The stage's name, which nothing else refers to. */
  readonly name: string | undefined;
  /** The line it stands on, counted from 1. */
  readonly line: number;
}

/** A Dockerfile of one stage that only copies and describes. */
export interface Dockerfile {
  readonly source: string;
  readonly escapeCharacter: '\\' | '`';
  /** Each `ARG` before `FROM`: for `FROM`, and for those after it that have no default. */
  readonly globals: readonly (Pair & { readonly line: number })[];
  readonly from: From;
  readonly instructions: readonly Instruction[];
}
