/** Why both builders can't build the same image from a Dockerfile. */
export type DockerfileErrorCode = 'DOCKERFILE_SYNTAX' | 'DOCKERFILE_REFUSED' | 'DOCKERFILE_COPY';

/** A refused Dockerfile. The message contains the file, the line and the instruction. */
export class DockerfileError extends Error {
  override readonly name = 'DockerfileError';
  readonly code: DockerfileErrorCode;
  /** The 1-based line number; 0 for the file as a whole. */
  readonly line: number;
  /** How to fix it. */
  readonly hint: string | undefined;

  constructor(
    code: DockerfileErrorCode,
    where: { readonly source: string; readonly line: number; readonly keyword?: string | undefined },
    problem: string,
    options: { readonly hint?: string | undefined; readonly cause?: unknown } = {},
  ) {
    const place = where.line === 0 ? where.source : `${where.source}:${where.line}`;
    super(
      `${place}: ${where.keyword === undefined ? '' : `${where.keyword}: `}${problem}`,
      options.cause === undefined ? undefined : { cause: options.cause },
    );
    this.code = code;
    this.line = where.line;
    this.hint = options.hint;
  }
}
