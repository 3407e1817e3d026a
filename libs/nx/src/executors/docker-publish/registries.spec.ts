import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { digestOf, MEDIA_TYPES } from '@prebuilt/oci';
import {
  type FakeRegistry,
  QUIRK_USER,
  QUIRKS,
  type Quirk,
  sleepingClock,
  startFakeRegistry,
  TAG_QUIRKS,
  UPLOAD_QUIRKS,
} from '@prebuilt/testing/registry';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { publish } from '../../../testing/publish.ts';
import { type PublishWorkspace, publishWorkspace } from '../../../testing/publish-workspace.ts';
import { parsePublishRecord } from '../../artifacts/publish-record.ts';

// The time that the dates from registries are based on.
const NOW = 1_800_000_000_000;
const SAMPLE = { version: '1.2.3', executableSize: 1000 };

// More tags than fit on one page.
function seedTags({ manifests, tags }: FakeRegistry): void {
  const bytes = Buffer.from('{}');
  manifests.set(`owner/app@${digestOf(bytes)}`, { bytes, mediaType: MEDIA_TYPES.manifest });
  for (let index = 0; index < 1100; index += 1)
    tags.set(`owner/app:t${String(index).padStart(4, '0')}`, digestOf(bytes));
}

describe('a publish to a registry', () => {
  let first: PublishWorkspace;
  let second: PublishWorkspace;

  beforeAll(async () => {
    // Each publish listens for signals.
    process.setMaxListeners(50);
    first = await publishWorkspace(SAMPLE);
    second = await publishWorkspace(SAMPLE);
    await second.release({ ...SAMPLE, version: '1.2.4' });
  });
  afterAll(async () => {
    await Promise.all([first?.remove(), second?.remove()]);
  });

  async function publishAll(quirk: Quirk, folder: string): Promise<void> {
    const registry = await startFakeRegistry();
    try {
      if (TAG_QUIRKS.includes(quirk)) seedTags(registry);
      registry.behave({ quirks: [quirk] });
      for (const [workspace, latest] of [
        [first, first],
        [first, first],
        [second, second],
      ] as const) {
        const environment = {
          ...workspace.environment,
          REGISTRY_USERNAME: QUIRK_USER.username,
          REGISTRY_PASSWORD: QUIRK_USER.password,
        };
        const { success, output } = await publish(
          workspace,
          `${registry.host}/owner/app`,
          { outputPath: `dist/${folder}` },
          { environment, clock: sleepingClock(NOW), idleMs: 5000 },
        );
        expect(output).not.toContain(QUIRK_USER.password);
        const expected = quirk.outcome?.error;
        expect(success, output).toBe(expected === undefined);
        if (expected === undefined) {
          expect(registry.tags.get('owner/app:latest')).toBe(latest.index.digest);
          const path = join(workspace.root, 'dist', folder, 'record.json');
          const [image] = parsePublishRecord(await readFile(path, 'utf8'), path).images;
          const attachment = quirk.outcome?.attachment ?? 'attached';
          expect(image?.sbom?.outcome).toBe(['api', 'tag'].includes(attachment) ? 'attached' : attachment);
        } else {
          const prefix = `error ${expected.code}: `;
          const line = output.split('\n').find((each) => each.startsWith(prefix));
          expect(line?.slice(prefix.length), output).toMatch(expected.says);
        }
      }
    } finally {
      await registry.close();
    }
  }

  // The quirks with large blobs are covered by the client's own tests.
  const quirks = QUIRKS.filter((quirk) => !UPLOAD_QUIRKS.includes(quirk));
  it.concurrent.each(quirks.map((quirk, index) => [quirk.name, quirk, `publish-${index}`] as const))(
    'a publish to a registry that %s has the same outcome the first time, on a rerun, and with the next version',
    (_, quirk, folder) => publishAll(quirk, folder),
    120_000,
  );
});
