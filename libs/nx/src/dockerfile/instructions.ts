import type { HereDocument, NamedImage } from './statements.ts';

/** A name and its value; an `ARG` without a default has no value. */
export interface Pair {
  readonly name: string;
  readonly value: string | undefined;
}

/** A command as a list of arguments, or as text for a shell. */
export type CommandForm =
  | { readonly form: 'exec'; readonly args: readonly string[] }
  | { readonly form: 'shell'; readonly text: string };

/** The content of a `HEALTHCHECK`. Durations are in nanoseconds. */
export interface HealthcheckInstruction {
  readonly command: CommandForm | undefined;
  readonly interval: number;
  readonly timeout: number;
  readonly startPeriod: number;
  readonly startInterval: number;
  readonly retries: number;
}

/** The content of a `COPY` or an `ADD`. */
export interface CopyInstruction {
  readonly keyword: 'ADD' | 'COPY';
  /** The stage or image that the sources come from; absent for the build context. */
  readonly from?: string;
  readonly sources: readonly string[];
  /** Files written inline in the Dockerfile; they are copied after the sources. */
  readonly documents: readonly HereDocument[];
  readonly destination: string;
  readonly chown: string | undefined;
  readonly chmod: string | undefined;
  readonly link: boolean;
  /** Whether each source keeps its parent folders. */
  readonly parents: boolean;
  /** Patterns of files to exclude. */
  readonly exclude: readonly string[];
}

/** The content of an instruction. Words are as written, not yet expanded. */
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

/** An instruction after `FROM`, and the 1-based line number where it starts. */
export type Instruction = InstructionBody & { readonly line: number };

/** A `FROM` instruction. */
export interface From {
  /** `scratch` or an image reference, expanded. */
  readonly image: string;
  /** As written. */
  readonly platform: string | undefined;
  /** The stage's name. */
  readonly name: string | undefined;
  /** The 1-based line number. */
  readonly line: number;
}

/**
 * The parts of a Dockerfile that determine its image: the last stage and the stages it is based on, combined into one.
 * Of the other stages, only their base images are included.
 */
export interface Dockerfile {
  readonly source: string;
  readonly escapeCharacter: '\\' | '`';
  /** Each `ARG` before `FROM`: used in `FROM`, and by each later `ARG` without a default. */
  readonly globals: readonly (Pair & { readonly line: number })[];
  readonly from: From;
  readonly instructions: readonly Instruction[];
  /** The image specified by `# syntax=`. */
  readonly frontend?: NamedImage;
  /** The images, besides that in `from`, of stages that the last one needs, of `COPY --from` and of `RUN --mount`. */
  readonly images: readonly NamedImage[];
}
