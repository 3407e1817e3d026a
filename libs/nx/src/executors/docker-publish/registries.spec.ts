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
} from '@prebuilt/testing/registry';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { publish } from '../../../testing/publish.ts';
import {
  type PublishSample,
  type PublishWorkspace,
  publishWorkspace,
} from '../../../testing/publish-workspace.ts';
import { parsePlatform } from '../../artifacts/platform.ts';
import { parsePublishRecord } from '../../artifacts/publish-record.ts';

// The time that the dates from registries are based on.
const NOW = 1_800_000_000_000;
const SMALL = { executableSize: 1000 };
/** Its layer shows how registries take large blobs. */
const LARGE = { executableSize: 6 * 1024 * 1024 + 17, platforms: [parsePlatform('linux/amd64')] };

/** The workspaces of a version and of the next one. */
type Versions = readonly [PublishWorkspace, PublishWorkspace];

async function twoVersions(sample: Omit<PublishSample, 'version'>): Promise<Versions> {
  const first = { ...sample, version: '1.2.3' };
  const versions = await Promise.all([publishWorkspace(first), publishWorkspace(first)]);
  await versions[1].release({ ...sample, version: '1.2.4' });
  return versions;
}

// More tags than fit on one page.
function seedTags({ manifests, tags }: FakeRegistry): void {
  const bytes = Buffer.from('{}');
  manifests.set(`owner/app@${digestOf(bytes)}`, { bytes, mediaType: MEDIA_TYPES.manifest });
  for (let index = 0; index < 1100; index += 1)
    tags.set(`owner/app:t${String(index).padStart(4, '0')}`, digestOf(bytes));
}

describe('a publish to a registry', () => {
  let small: Versions;
  let large: Versions;

  beforeAll(async () => {
    // Each publish listens for signals.
    process.setMaxListeners(50);
    [small, large] = await Promise.all([twoVersions(SMALL), twoVersions(LARGE)]);
  });
  afterAll(async () => {
    await Promise.all([small, large].flatMap((each) => (each ?? []).map((workspace) => workspace.remove())));
  });

  async function publishAll(quirk: Quirk, folder: string): Promise<void> {
    const registry = await startFakeRegistry();
    try {
      if (TAG_QUIRKS.includes(quirk)) seedTags(registry);
      registry.behave({ quirks: [quirk] });
      const [first, second] = quirk.needsLargeBlobs ? large : small;
      for (const workspace of [first, first, second]) {
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
          expect(registry.tags.get('owner/app:latest')).toBe(workspace.index.digest);
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

  it.concurrent.each(QUIRKS.map((quirk, index) => [quirk.name, quirk, `publish-${index}`] as const))(
    'a publish to a registry that %s has the same outcome the first time, on a rerun, and with the next version',
    (_, quirk, folder) => publishAll(quirk, folder),
    120_000,
  );
});
