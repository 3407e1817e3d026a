import type { ListedCopy } from './listed/context.ts';

/** The unprivileged user ID of distroless images. */
const NONROOT = 65532;

/** The facts that determine a generated Dockerfile. */
export interface GeneratedImage {
  /** The program's name. */
  readonly name: string;
  /** The names of the program's additional executables. */
  readonly others?: readonly string[];
  /** Whether an executable of any platform needs runtime files. */
  readonly runtime: boolean;
  /** The instructions that copy listed files. */
  readonly copies?: readonly ListedCopy[];
}

/**
 * The Dockerfile for a program without its own. It copies runtime files if needed, listed files, and all executables,
 * with the main one as the entrypoint, and sets an unprivileged user.
 */
export function generateDockerfile({ name, others = [], runtime, copies = [] }: GeneratedImage): string {
  const suffix = `linux-\${TARGETARCH}\${TARGETVARIANT}`;
  const lines = [
    'FROM scratch',
    'ARG TARGETARCH TARGETVARIANT',
    ...(runtime ? [`COPY runtime-${suffix}/ /`] : []),
    ...copies.map(
      ({ owner, source, destination }) =>
        `COPY ${owner === undefined ? '' : `--chown=${owner} `}${source} ${destination}`,
    ),
    ...[name, ...others].map((each) => `COPY --chmod=755 ${each}-${suffix} /${each}`),
    `USER ${NONROOT}`,
    `ENTRYPOINT ["/${name}"]`,
  ];
  return `${lines.join('\n')}\n`;
}
