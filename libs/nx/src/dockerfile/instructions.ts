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
  readonly retries: number;
}

/** What an instruction does; words are as written, not yet expanded. */
export type InstructionBody =
  | { readonly keyword: 'ARG' | 'ENV' | 'LABEL'; readonly pairs: readonly Pair[] }
  | {
      readonly keyword: 'COPY';
      readonly sources: readonly string[];
      readonly destination: string;
      readonly chown: string | undefined;
      readonly chmod: string | undefined;
      readonly link: boolean;
    }
  | { readonly keyword: 'EXPOSE' | 'VOLUME'; readonly words: readonly string[] }
  | { readonly keyword: 'STOPSIGNAL' | 'USER' | 'WORKDIR'; readonly word: string }
  | { readonly keyword: 'CMD' | 'ENTRYPOINT'; readonly command: CommandForm }
  | { readonly keyword: 'HEALTHCHECK'; readonly check: HealthcheckInstruction };

/** What an image starts from: nothing (`scratch`), or an image by its reference, as it is written. */
export interface From {
  readonly image: string;
  /** The line it stands on, counted from 1. */
  readonly line: number;
}

/** An instruction after `FROM`, and the line it starts on, counted from 1. */
export type Instruction = InstructionBody & { readonly line: number };

/** A Dockerfile that only copies and describes. */
export interface Dockerfile {
  readonly source: string;
  readonly from: From;
  readonly escapeCharacter: '\\' | '`';
  readonly instructions: readonly Instruction[];
}
