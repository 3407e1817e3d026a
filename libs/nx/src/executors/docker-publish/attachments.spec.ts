import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type FakeRegistry,
  type Quirk,
  REFERRERS_QUIRKS,
  sleepingClock,
  startFakeRegistry,
} from '@prebuilt/testing/registry';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { publish } from '../../../testing/publish.ts';
import { type PublishWorkspace, publishWorkspace } from '../../../testing/publish-workspace.ts';
import { type PublishedImage, parsePublishRecord } from '../../artifacts/publish-record.ts';

const TAGS = ['owner/app:1.2.3', 'owner/app:v1.2.3', 'owner/app:1.2', 'owner/app:1', 'owner/app:latest'];

let registry: FakeRegistry;
let workspace: PublishWorkspace;
beforeEach(async () => {
  registry = await startFakeRegistry();
  workspace = await publishWorkspace({ version: '1.2.3', executableSize: 1000 });
});
afterEach(async () => {
  await Promise.all([registry.close(), workspace.remove()]);
});

const run = (more: Parameters<typeof publish>[2] = {}, image = `${registry.host}/owner/app`) =>
  publish(workspace, image, more, { clock: sleepingClock() });
const writes = () => registry.log.filter((line) => !/^(?:GET|HEAD) /.test(line));

async function publishedImages(): Promise<readonly PublishedImage[]> {
  const path = join(workspace.root, 'dist/publish/record.json');
  return parsePublishRecord(await readFile(path, 'utf8'), path).images;
}

/** The version tags, without the tag that lists referrers. */
const versionTags = (of = registry) => [...of.tags.keys()].filter((tag) => !tag.includes(':sha256-'));

function behave({ options = {}, start }: Quirk): void {
  registry.behave({ ...options, quirks: [{ name: '', source: '', start }] });
}

describe('the bills of materials', () => {
  it.each(REFERRERS_QUIRKS.map((quirk) => [quirk.name, quirk] as const))(
    'bills of materials never stop the tags of a proven image if the registry %s, and the record says what happened',
    async (_, quirk) => {
      behave(quirk);
      const { success, output } = await run();
      expect(output).not.toContain('error ');
      expect(success).toBe(true);
      expect(versionTags()).toEqual(TAGS);
      const [image] = await publishedImages();
      const expected = quirk.outcome?.attachment ?? 'attached';
      expect(image?.sbom?.outcome).toBe(['api', 'tag'].includes(expected) ? 'attached' : expected);
      if (image?.sbom?.outcome !== 'attached') expect(output).toContain(image?.sbom?.reason);
    },
  );

  it.each(REFERRERS_QUIRKS.map((quirk) => [quirk.name, quirk] as const))(
    'with --require-sbom, unlisted bills of materials stop every tag, and listed ones stop none: the registry %s',
    async (_, quirk) => {
      behave(quirk);
      const { success, output } = await run({ requireSbom: true });
      const outcome = quirk.outcome?.attachment;
      const lost = outcome === 'refused' || outcome === 'unlisted';
      expect(success, output).toBe(!lost);
      expect(versionTags()).toEqual(lost ? [] : TAGS);
      if (lost) {
        expect(output).toContain(
          `error SBOM: ${registry.host}/owner/app@${workspace.index.digest}: expected the bill of materials to be attached (--require-sbom), found it ${outcome}: `,
        );
        expect(await workspace.leftovers()).not.toContain('record.json');
      }
    },
  );

  it('refused bills of materials are reported in the words of the registry', async () => {
    const quirk = REFERRERS_QUIRKS.find(({ name }) => name.startsWith('refuses artifact types'));
    if (quirk === undefined) throw new Error('there is no such quirk');
    behave(quirk);
    expect((await run()).output).toContain('unknown media type: application/vnd.cyclonedx+json');
    expect((await publishedImages())[0]?.sbom).toMatchObject({
      outcome: 'refused',
      step: 'manifest',
      status: 400,
      reason: expect.stringContaining('unknown media type: application/vnd.cyclonedx+json'),
    });
  });

  it('with --require-sbom, a refusal by one registry stops the tags of every registry', async () => {
    const quirk = REFERRERS_QUIRKS.find(({ outcome }) => outcome?.attachment === 'refused');
    if (quirk === undefined) throw new Error('there is no such quirk');
    behave(quirk);
    const willing = await startFakeRegistry();
    try {
      const both = `${willing.host}/owner/app,${registry.host}/owner/app`;
      expect(await run({ requireSbom: true }, both)).toMatchObject({ success: false });
      expect([...versionTags(willing), ...versionTags()]).toEqual([]);
      expect(await run({}, both)).toMatchObject({ success: true });
      expect((await publishedImages()).map(({ sbom }) => sbom?.outcome)).toEqual(['attached', 'refused']);
    } finally {
      await willing.close();
    }
  });

  it('bills of materials are not attached with --no-sbom, and the record has none', async () => {
    expect(await run({ sbom: false })).toMatchObject({ success: true });
    expect([...registry.manifests.values()].some(({ bytes }) => bytes.includes('cyclonedx'))).toBe(false);
    expect((await publishedImages())[0]?.sbom).toBeNull();
  });

  it('a dry run names the bills of materials and says whether they are required', async () => {
    const names = 'app-linux-amd64.cdx.json, app-linux-arm64.cdx.json';
    const free = await run({ dryRun: true });
    expect(free.output).toContain(`attach SBOM: ${names}  (the tags still move if a registry refuses it)`);
    const required = await run({ dryRun: true, requireSbom: true });
    expect(required.output).toContain(`attach SBOM: ${names}  (required by --require-sbom)`);
    expect((await run({ dryRun: true, sbom: false })).output).not.toContain('SBOM');
    expect(writes()).toEqual([]);
  });

  it('a publish that requires bills of materials but has none is refused before any request', async () => {
    await rm(join(workspace.root, 'dist/sbom'), { recursive: true });
    const { success, output } = await run({ requireSbom: true });
    expect(success).toBe(false);
    expect(output).toContain('error SBOM: dist/sbom: expected bills of materials (*.cdx.json)');
    expect(registry.log).toEqual([]);
  });

  it('a publish that requires bills of materials but switches them off is refused before any request', async () => {
    const { success, output } = await run({ requireSbom: true, sbom: false });
    expect(success).toBe(false);
    expect(output).toContain("error INVALID_OPTIONS: require-sbom: can't be combined with --no-sbom");
    expect(registry.log).toEqual([]);
  });
});

describe('the plan that a dry run prints as JSON', () => {
  it('the JSON plan of a dry run names every blob, manifest, attachment and tag that the run then sends', async () => {
    const dry = await run({ dryRun: true, json: true });
    expect(writes()).toEqual([]);
    const plan = JSON.parse(dry.output);
    expect(await run()).toMatchObject({ success: true });
    const blobs = plan.blobs.map(({ descriptor }: { descriptor: { digest: string } }) => descriptor.digest);
    const files = plan.attachments.flatMap(
      ({ files: sent }: { files: readonly { descriptor: { digest: string } }[] }) =>
        sent.map(({ descriptor }) => descriptor.digest),
    );
    // In addition to what is planned, an artifact has an empty configuration.
    const held = [...registry.blobs.keys()].filter((digest) => !digest.startsWith('sha256:44136fa355b3678a'));
    expect(held.toSorted()).toEqual([...blobs, ...files].toSorted());
    expect(plan.repositories[0].tags.map(({ tag }: { tag: string }) => `owner/app:${tag}`)).toEqual(TAGS);
    expect(versionTags()).toEqual(TAGS);
  });
});
