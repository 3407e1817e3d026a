import type { ListedCopy } from './listed/context.ts';

/** A user without rights and without a name, as distroless images have it. */
const NONROOT = 65532;

/** What a generated Dockerfile is for. */
export interface GeneratedImage {
  /** The program's name. */
  readonly name: string;
  /** The names of the program's other executables. */
  readonly others?: readonly string[];
  /** Whether an executable of any platform needs files beside it. */
  readonly runtime: boolean;
  /** What puts listed files to their places. */
  readonly copies?: readonly ListedCopy[];
}

/**
 * The Dockerfile of a program that has none of its own: the runtime files where an executable needs any, listed files, all
 * executables with the program's own as the entrypoint, and a user without rights.
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
