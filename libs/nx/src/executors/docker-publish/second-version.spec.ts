import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { readImageLayout } from '@prebuilt/oci';
import { type FakeRegistry, startFakeRegistry } from '@prebuilt/testing/registry';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { publishRelease } from '../../../testing/publish-release.ts';
import { release } from '../../../testing/release.ts';
import { releaseWorkspace } from '../../../testing/release-workspace.ts';
import { DISTROLESS, makeBase, putBase } from '../../../testing/sample-base.ts';
import { type PublishedImage, parsePublishRecord } from '../../artifacts/publish-record.ts';

let registry: FakeRegistry;
beforeEach(async () => {
  registry = await startFakeRegistry();
});
afterEach(() => registry.close());

const base = makeBase({ layers: DISTROLESS });

/**
 * Releases and publishes a version. Returns what was sent, and the sizes of the last layers, which contain the program.
 */
async function publishVersion(
  version: string,
): Promise<{ readonly image: PublishedImage; readonly programs: number; readonly configs: number }> {
  const workspace = await releaseWorkspace({
    version,
    dockerfile: [
      `FROM ${registry.host}/bases/static@${base.digest}`,
      'ARG TARGETARCH',
      'COPY runtime-linux-$TARGETARCH/ /',
      'COPY files/ /',
      'COPY app-linux-$TARGETARCH /app',
      'ENTRYPOINT ["/app"]',
      '',
    ].join('\n'),
    executable: randomBytes(200_000),
    listed: { entries: ['users', 'tmp'] },
  });
  try {
    await release(workspace);
    const { images } = await readImageLayout(workspace.path('dist/oci'));
    const { success, output } = await publishRelease(workspace, `${registry.host}/owner/app`);
    expect(success, output).toBe(true);
    const text = await readFile(workspace.path('dist/publish/record.json'), 'utf8');
    const [image] = parsePublishRecord(text, 'record').images;
    if (image === undefined) throw new Error('nothing was recorded');
    // Both platforms have the same program here, so they share a layer.
    return {
      image,
      programs: images[0]?.manifest.layers.at(-1)?.size ?? 0,
      configs: images.reduce((sum, { manifest }) => sum + manifest.config.size, 0),
    };
  } finally {
    await workspace.remove();
  }
}

it('a second version sends its own layer and configurations, but no base, runtime or listed files', async () => {
  putBase(registry, 'bases/static', base);
  const first = await publishVersion('1.2.3');
  expect(first.image.bytesSent).toBeGreaterThan(first.programs + first.configs);
  const { image, programs, configs } = await publishVersion('1.2.4');
  expect(image.bytesSent).toBe(programs + configs);
  expect(image.blobsSent).toBe(3);
});
