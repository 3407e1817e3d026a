import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { type FakeRegistry, sleepingClock, startFakeRegistry } from '@prebuilt/testing/registry';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { publish } from '../../../testing/publish.ts';
import {
  type PublishSample,
  type PublishWorkspace,
  publishWorkspace,
} from '../../../testing/publish-workspace.ts';

const SAMPLE: PublishSample = { version: '1.2.3', executableSize: 20_000 };

describe('an image that differs from the verified one', () => {
  let registry: FakeRegistry;
  let workspace: PublishWorkspace;
  const others: PublishWorkspace[] = [];

  beforeEach(async () => {
    registry = await startFakeRegistry();
    workspace = await publishWorkspace(SAMPLE);
  });
  afterEach(async () => {
    await registry.close();
    await Promise.all([workspace, ...others.splice(0)].map((each) => each.remove()));
  });

  async function other(sample: Partial<PublishSample>): Promise<PublishWorkspace> {
    const made = await publishWorkspace({ ...SAMPLE, ...sample });
    others.push(made);
    return made;
  }
  const run = (from = workspace) =>
    publish(from, `${registry.host}/owner/app`, {}, { clock: sleepingClock() });
  const layersOf = (): readonly (readonly [string, Buffer])[] =>
    [...registry.blobs].filter(([, bytes]) => bytes.readUInt16BE(0) === 0x1f8b);

  // Fills the registry, so that the lies can be made from its content, and removes the tags again.
  async function filled(): Promise<void> {
    expect(await run()).toMatchObject({ success: true });
    registry.tags.clear();
  }

  it('no tag moves if the registry returns a recompressed layer, and the layer is named', async () => {
    await filled();
    registry.behave({
      lie: (path, content) =>
        path.includes('/blobs/') && content.readUInt16BE(0) === 0x1f8b
          ? gzipSync(gunzipSync(content), { level: 1 })
          : content,
    });
    const { success, output } = await run();
    expect(success).toBe(false);
    expect(output).toMatch(/error (DIGEST|SIZE)_MISMATCH: .*blob sha256:[0-9a-f]{64}: expected/);
    expect(registry.tags.size).toBe(0);
    expect(await workspace.leftovers()).not.toContain('record.json');
  });

  it('no tag moves if the registry returns a different program, and the blob is named', async () => {
    await filled();
    const [, stranger = Buffer.alloc(0)] = layersOf().toSorted((a, b) => b[1].length - a[1].length)[0] ?? [];
    registry.behave({
      lie: (path, content) => (path.includes('/blobs/') && content.length > 10_000 ? stranger : content),
    });
    const { success, output } = await run();
    expect(success).toBe(false);
    expect(output).toMatch(/error (DIGEST|SIZE)_MISMATCH: .*blob sha256:[0-9a-f]{64}: expected/);
    expect(registry.tags.size).toBe(0);
  });

  it('no tag moves if the registry swaps the platforms, and both digests are named', async () => {
    await filled();
    const images = [...registry.manifests.values()].filter(({ bytes }) => bytes.includes('"layers"'));
    registry.behave({
      lie: (path, content) =>
        path.includes('/manifests/') && content.includes('"layers"')
          ? (images.find(({ bytes }) => !bytes.equals(content))?.bytes ?? content)
          : content,
    });
    const { success, output } = await run();
    expect(success).toBe(false);
    expect(output).toMatch(
      /error DIGEST_MISMATCH: .*manifest sha256:[0-9a-f]{64}: expected .*, found sha256:/,
    );
    expect(registry.tags.size).toBe(0);
  });

  it('no tag moves for the image of a different build, and the difference is named', async () => {
    const packed = await other({ seed: 'other' });
    // Combines the other workspace's image with this workspace's build and reports.
    const result = await publish(
      workspace,
      `${registry.host}/owner/app`,
      { inputPath: `${packed.root}/dist/oci` },
      { clock: sleepingClock() },
    );
    expect(result.success).toBe(false);
    expect(result.output).toMatch(
      /error PUBLISH: .*linux\/amd64: config\.Labels\.dev\.prebuilt\.executable\.digest: expected "sha256:/,
    );
    expect(registry.log).toEqual([]);
  });

  it('an image with the same documents but a different plan or none is refused before any request', async () => {
    const path = join(workspace.root, 'dist/oci/index.json');
    const index = await readFile(path, 'utf8');
    for (const [change, said] of [
      [
        (text: string) => text.replace(/("dev\.prebuilt\.plan\.digest": ?"sha256:)\w{8}/, '$100000000'),
        'sha256:00000000',
      ],
      [(text: string) => text.replace('dev.prebuilt.plan.digest', 'dev.example'), 'found none'],
    ] as const) {
      expect(change(index)).not.toBe(index);
      await writeFile(path, change(index));
      const { success, output } = await run();
      expect(success).toBe(false);
      expect(output).toContain(
        'dist/oci: is not the image that was planned: index.json: dev.prebuilt.plan.digest: ',
      );
      expect(output).toContain(said);
    }
    expect(registry.log).toEqual([]);
  });

  it('no tag moves in any registry if one of them lies', async () => {
    const honest = await startFakeRegistry();
    try {
      await filled();
      registry.behave({ lie: (path, content) => (path.includes('/blobs/') ? Buffer.from('{}') : content) });
      const { success } = await publish(
        workspace,
        `${honest.host}/owner/app,${registry.host}/owner/app`,
        {},
        { clock: sleepingClock() },
      );
      expect(success).toBe(false);
      expect(honest.manifests.size).toBeGreaterThan(0);
      expect(honest.tags.size + registry.tags.size).toBe(0);
    } finally {
      await honest.close();
    }
  });

  it('the bills of materials are attached as a referrer of the index, and earlier attachments are kept', async () => {
    registry.behave({ referrers: false });
    expect(await run()).toMatchObject({ success: true });
    const tag = `owner/app:${workspace.index.digest.replace(':', '-')}`;
    const listed = registry.manifests.get(`owner/app@${registry.tags.get(tag)}`);
    expect(JSON.parse(listed?.bytes.toString('utf8') ?? '')).toMatchObject({
      manifests: [{ artifactType: 'application/vnd.cyclonedx+json' }],
    });
    const before = registry.tags.get(tag);
    expect(await run()).toMatchObject({ success: true });
    expect(registry.tags.get(tag)).toBe(before);
  });
});
