import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { digestOf, MEDIA_TYPES } from '@prebuilt/oci';
import { type FakeRegistry, sleepingClock, startFakeRegistry, TAG_QUIRKS } from '@prebuilt/testing/registry';
import { execa } from 'execa';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { publish } from '../../../testing/publish.ts';
import {
  type PublishSample,
  type PublishWorkspace,
  publishWorkspace,
} from '../../../testing/publish-workspace.ts';

const SAMPLE: PublishSample = { version: '1.2.3', executableSize: 1000 };

describe('a publish, before it sends anything', () => {
  let registry: FakeRegistry;
  let workspace: PublishWorkspace;

  beforeEach(async () => {
    registry = await startFakeRegistry();
    workspace = await publishWorkspace(SAMPLE);
  });
  afterEach(async () => {
    await Promise.all([registry.close(), workspace.remove()]);
  });

  const run = (more: Parameters<typeof publish>[2] = {}) =>
    publish(workspace, `${registry.host}/owner/app`, more, { clock: sleepingClock() });
  const git = (...args: readonly string[]) =>
    execa('git', [...args], { cwd: workspace.root, env: { ...workspace.environment } });
  const writes = () => registry.log.filter((line) => !/^(?:GET|HEAD) /.test(line));

  async function change(name: string, edit: (text: string) => string): Promise<void> {
    const path = join(workspace.root, 'dist', name);
    await writeFile(path, edit(await readFile(path, 'utf8')));
  }

  it.each<[string, () => Promise<unknown>, RegExp]>([
    ['a development build', () => git('tag', '--delete', 'v1.2.3'), /error VERSION: .*development build/],
    [
      'a build of a version other than that of the tag',
      async () => {
        await git('tag', '--delete', 'v1.2.3');
        await git('tag', 'v1.2.4');
      },
      /error VERSION: version: expected 1\.2\.4 in manifest and image, found 1\.2\.3/,
    ],
    [
      'a failed report',
      () => change('verify/linux-arm64.json', (text) => text.replace('"passed"', '"failed"')),
      /error VERIFY_REPORT: linux\/arm64: .*found one that failed/,
    ],
    [
      'a report for another manifest',
      () =>
        change('verify/linux-amd64.json', (text) =>
          text.replace(/"manifestSha256": "\w{8}/, '"manifestSha256": "00000000'),
        ),
      /error VERIFY_REPORT: linux\/amd64: .*another manifest/,
    ],
    [
      'a layout with a changed document',
      () =>
        change(`oci/blobs/sha256/${workspace.index.digest.slice(7)}`, (text) =>
          text.replace('amd64', 'amd46'),
        ),
      /error DIGEST_MISMATCH: /,
    ],
  ])('a publish refuses %s before it sends anything', async (_, spoil, said) => {
    await spoil();
    const { success, output } = await run();
    expect(success).toBe(false);
    expect(output).toMatch(said);
    expect(registry.log).toEqual([]);
  });

  it('a publish refuses a version with build metadata, which no tag can contain', async () => {
    await workspace.release({ ...SAMPLE, version: '1.2.4+build.1' });
    const { success, output } = await run();
    expect(success).toBe(false);
    expect(output).toContain('error BUILD_METADATA: ');
    expect(writes()).toEqual([]);
  });

  it('a publish refuses to move tags in a shallow clone, says how to fix it, and works without moving tags', async () => {
    const { stdout } = await git('rev-parse', 'HEAD');
    await writeFile(join(workspace.root, '.git/shallow'), `${stdout}\n`);
    const refused = await run();
    expect(refused.success).toBe(false);
    expect(refused.output).toContain('error UNKNOWN_HISTORY: ');
    expect(refused.output).toContain('git fetch --unshallow --tags');
    expect(refused.output).toContain('--tag-latest=never');
    expect(writes()).toEqual([]);
    expect((await run({ tagLatest: 'never' })).success).toBe(true);
    expect([...registry.tags.keys()]).toEqual(['owner/app:1.2.3', 'owner/app:v1.2.3']);
  });

  it('a publish does not list tags if none moves to the highest version, and still refuses a taken tag', async () => {
    const quirk = TAG_QUIRKS.find(({ name }) => name.startsWith('gives an array'));
    registry.behave({ quirks: quirk === undefined ? [] : [quirk] });
    expect((await run()).output).toContain('error REGISTRY_RESPONSE: ');
    registry.log.splice(0);
    expect((await run({ tagLatest: 'never' })).success).toBe(true);
    expect(registry.log.filter((line) => line.includes('/tags/list'))).toEqual([]);
    await git('tag', '--delete', 'v1.2.3');
    await workspace.release({ ...SAMPLE, seed: 'other' });
    expect((await run({ tagLatest: 'never' })).output).toContain('error TAG_EXISTS: ');
  });

  it('a publish that finds its tag taken names the commit of the image there, if it is another one', async () => {
    const [earlier, moved] = ['a'.repeat(40), 'b'.repeat(40)];
    const publishOf = async (revision: string, seed: string): Promise<string> => {
      await git('tag', '--delete', 'v1.2.3');
      await workspace.release({ ...SAMPLE, revision, seed });
      return (await run()).output;
    };
    await publishOf(earlier, 'one');
    const ofAnotherCommit = await publishOf(moved, 'two');
    expect(ofAnotherCommit).toMatch(
      new RegExp(`error TAG_EXISTS: .*:1\\.2\\.3: .*found sha256:\\w+, of commit ${earlier}$`, 'm'),
    );
    expect(ofAnotherCommit).toContain(
      `git tag --force v1.2.3 ${earlier} && git push --force origin v1.2.3 && git checkout v1.2.3`,
    );
    const ofTheSame = await publishOf(earlier, 'two');
    expect(ofTheSame).toMatch(/error TAG_EXISTS: .*found sha256:\w+$/m);
    expect(ofTheSame).toContain('If another builder packed the same files');
  });

  it('a publish that finds its tag taken names no commit if what is there is no image', async () => {
    const index = { schemaVersion: 2, mediaType: MEDIA_TYPES.index, manifests: [] };
    const bytes = Buffer.from(JSON.stringify(index));
    const digest = digestOf(bytes);
    registry.manifests.set(`owner/app@${digest}`, { bytes, mediaType: MEDIA_TYPES.index });
    registry.tags.set('owner/app:1.2.3', digest);
    expect((await run()).output).toMatch(/error TAG_EXISTS: .*found sha256:\w+$/m);
  });

  it.each([
    ['a repository twice', (host: string) => `${host}/a/b,${host}/a/b`, 'error INVALID_OPTIONS: '],
    ['a tag in the repository', (host: string) => `${host}/a/b:latest`, 'error INVALID_REFERENCE: '],
  ])('a publish refuses %s before it sends anything', async (_, image, said) => {
    const { success, output } = await publish(workspace, image(registry.host));
    expect(success).toBe(false);
    expect(output).toContain(said);
    expect(registry.log).toEqual([]);
  });

  it('a publish prints the plan as JSON and nothing else if asked to', async () => {
    const { output } = await run({ dryRun: true, json: true });
    expect(JSON.parse(output)).toMatchObject({
      version: '1.2.3',
      index: { digest: workspace.index.digest },
      repositories: [{ tags: [{ tag: '1.2.3', step: 'move' }, {}, {}, {}, { tag: 'latest', step: 'move' }] }],
    });
    expect(writes()).toEqual([]);
  });

  it('a publish says that it was a dry run', async () => {
    const said = 'dry run: only read from the registry';
    expect((await run({ dryRun: true })).output).toContain(said);
    expect((await run()).output).not.toContain(said);
  });

  it('a publish refuses an exact tag that another publish created in the meantime', async () => {
    const bytes = Buffer.from('{"schemaVersion":2,"manifests":[]}');
    const beforeTags = async (): Promise<void> => {
      registry.manifests.set(`owner/app@${digestOf(bytes)}`, { bytes, mediaType: MEDIA_TYPES.index });
      registry.tags.set('owner/app:1.2.3', digestOf(bytes));
    };
    const { success, output } = await publish(workspace, `${registry.host}/owner/app`, {}, { beforeTags });
    expect(success).toBe(false);
    expect(output).toContain(
      `owner/app:1.2.3: expected it to still point to nothing, as it did when the plan was made, found ${digestOf(bytes)}`,
    );
    expect([...registry.tags]).toEqual([['owner/app:1.2.3', digestOf(bytes)]]);
  });
});
