import type { Manifest } from '../artifacts/manifest.ts';

/** A user without rights and without a name, as distroless images have it. */
const NONROOT = 65532;

/**
 * The Dockerfile of a program that has none of its own: the runtime files where an executable needs any, the executable
 * as the entrypoint, and a user without rights.
 */
export function generateDockerfile({ name, platforms }: Pick<Manifest, 'name' | 'platforms'>): string {
  const suffix = `linux-\${TARGETARCH}\${TARGETVARIANT}`;
  const needsRuntime = platforms.some(({ runtime }) => runtime.files.length > 0);
  const lines = [
    'FROM scratch',
    'ARG TARGETARCH TARGETVARIANT',
    ...(needsRuntime ? [`COPY runtime-${suffix}/ /`] : []),
    `COPY --chmod=755 ${name}-${suffix} /${name}`,
    `USER ${NONROOT}`,
    `ENTRYPOINT ["/${name}"]`,
  ];
  return `${lines.join('\n')}\n`;
}
