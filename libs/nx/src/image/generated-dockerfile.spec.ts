import { describe, expect, it } from 'vitest';
import { readDockerfile } from '../dockerfile/read-dockerfile.ts';
import { generateDockerfile } from './generated-dockerfile.ts';

describe('a generated Dockerfile', () => {
  it('a generated Dockerfile copies the runtime files and the executable, and starts it unprivileged', () => {
    expect(generateDockerfile({ name: 'server', runtime: true })).toBe(`FROM scratch
ARG TARGETARCH TARGETVARIANT
COPY runtime-linux-\${TARGETARCH}\${TARGETVARIANT}/ /
COPY --chmod=755 server-linux-\${TARGETARCH}\${TARGETVARIANT} /server
USER 65532
ENTRYPOINT ["/server"]
`);
  });

  it('a generated Dockerfile copies every executable, and starts the main one', () => {
    const text = generateDockerfile({ name: 'server', others: ['worker'], runtime: false });
    expect(text).toContain(
      `COPY --chmod=755 worker-linux-\${TARGETARCH}\${TARGETVARIANT} /worker\nUSER 65532\nENTRYPOINT ["/server"]`,
    );
    expect(() => readDockerfile(Buffer.from(text), 'Dockerfile')).not.toThrow();
  });

  it('a generated Dockerfile copies no runtime files if no executable needs any', () => {
    expect(generateDockerfile({ name: 'server', runtime: false })).not.toContain('runtime');
  });

  it.each([true, false])('a generated Dockerfile can be read (runtime files: %s)', (runtime) => {
    const bytes = Buffer.from(generateDockerfile({ name: 'server', runtime }));
    expect(() => readDockerfile(bytes, 'Dockerfile')).not.toThrow();
  });
});
