import { describe, expect, it } from 'vitest';
import { sampleManifest } from '../../testing/sample-manifest.ts';
import { readDockerfile } from '../dockerfile/read-dockerfile.ts';
import { generateDockerfile } from './generated-dockerfile.ts';

const withoutRuntime = {
  ...sampleManifest,
  platforms: sampleManifest.platforms.map((each) => ({ ...each, runtime: { ...each.runtime, files: [] } })),
};

describe('the Dockerfile of a program that has none', () => {
  it('copies the runtime files and the executable, and starts it as nobody', () => {
    expect(generateDockerfile(sampleManifest)).toBe(`FROM scratch
ARG TARGETARCH TARGETVARIANT
COPY runtime-linux-\${TARGETARCH}\${TARGETVARIANT}/ /
COPY --chmod=755 ${sampleManifest.name}-linux-\${TARGETARCH}\${TARGETVARIANT} /${sampleManifest.name}
USER 65532
ENTRYPOINT ["/${sampleManifest.name}"]
`);
  });

  it('copies no runtime files where no executable needs any', () => {
    expect(generateDockerfile(withoutRuntime)).not.toContain('runtime');
  });

  it.each([sampleManifest, withoutRuntime])('is one that the reader accepts', (manifest) => {
    expect(() => readDockerfile(Buffer.from(generateDockerfile(manifest)), 'Dockerfile')).not.toThrow();
  });
});
