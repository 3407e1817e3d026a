import { join } from 'node:path';
import {
  type FakeRegistry,
  type FaultProxy,
  type Step,
  startFakeRegistry,
  startFaultProxy,
} from '@prebuilt/testing/registry';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { publish } from '../../../testing/publish.ts';
import { type PublishWorkspace, publishWorkspace } from '../../../testing/publish-workspace.ts';

const PROCESS = join(import.meta.dirname, '../../../testing/publish-process.ts');

type Phase = 'upload' | 'read back' | 'tags';

const PHASES: Readonly<Record<Step, Phase>> = {
  'tags GET': 'upload',
  'blob HEAD': 'upload',
  'upload POST': 'upload',
  'upload PATCH': 'upload',
  'upload PUT': 'upload',
  'manifest PUT': 'upload',
  'manifest HEAD': 'upload',
  'manifest GET': 'read back',
  'blob GET': 'read back',
  'tag PUT': 'tags',
  'tag PUT by name': 'tags',
};
// How many moments of each phase a publish is killed at.
const MOMENTS: Readonly<Record<Phase, number>> = { upload: 9, 'read back': 6, tags: 5 };

describe('a publish that is killed', () => {
  let workspace: PublishWorkspace;
  let registry: FakeRegistry;
  let proxy: FaultProxy;

  beforeAll(async () => {
    workspace = await publishWorkspace({ version: '1.2.3', executableSize: 200_000 });
    registry = await startFakeRegistry();
    proxy = await startFaultProxy(registry.host);
  });
  afterAll(async () => {
    await proxy?.close();
    await registry?.close();
    await workspace?.remove();
  });

  const tagsOf = (repository: string): readonly (readonly [string, string])[] =>
    [...registry.tags].filter(([key]) => key.startsWith(`${repository}:`));

  // What a tag names is there as a whole and is the image that was verified.
  function lies(repository: string): readonly string[] {
    return tagsOf(repository).flatMap(([tag, digest]) => {
      if (digest !== workspace.index.digest) return [`${tag} names ${digest}`];
      const index = registry.manifests.get(`${repository}@${digest}`);
      const children: readonly { readonly digest: string }[] =
        JSON.parse(index?.bytes.toString('utf8') ?? '{}').manifests ?? [];
      if (children.length !== 2) return [`${tag} has no index`];
      return children.flatMap((child) => {
        const manifest = registry.manifests.get(`${repository}@${child.digest}`);
        if (manifest === undefined) return [`${tag} lacks ${child.digest}`];
        const { config, layers } = JSON.parse(manifest.bytes.toString('utf8'));
        return [config, ...layers].flatMap((blob) =>
          registry.blobs.has(blob.digest) ? [] : [`${tag} lacks ${blob.digest}`],
        );
      });
    });
  }

  async function killAt(
    repository: string,
    phase: Phase,
    nth: number,
  ): Promise<{ readonly killed: boolean; readonly seen: readonly Step[] }> {
    const seen: Step[] = [];
    const found: string[] = [];
    let verified = false;
    const child = execa(
      process.execPath,
      [
        PROCESS,
        workspace.root,
        JSON.stringify(workspace.options(`${proxy.host}/${repository}`, { concurrency: 1 })),
      ],
      { env: { ...workspace.environment }, reject: false, timeout: 60_000 },
    );
    proxy.inject((step) => {
      seen.push(step);
      if (step === 'blob GET') verified = true;
      if (PHASES[step] === 'tags' && !verified) found.push('a tag was put before anything was read back');
      // Heads of manifests belong to the phase that is under way.
      if (step !== 'manifest HEAD' && PHASES[step] === phase) {
        const count = seen.filter((each) => each !== 'manifest HEAD' && PHASES[each] === phase).length;
        if (count === nth) child.kill('SIGKILL');
      }
      return undefined;
    });
    const watcher = setInterval(() => found.push(...lies(repository)), 2);
    const { isTerminated } = await child;
    clearInterval(watcher);
    found.push(...lies(repository));
    expect(found).toEqual([]);
    return { killed: isTerminated, seen };
  }

  it('at any of 20 moments is completed by a rerun, and at no moment does a tag lie', async () => {
    const whole = await killAt('whole/app', 'upload', Number.POSITIVE_INFINITY);
    expect(whole.killed).toBe(false);
    expect(tagsOf('whole/app')).toHaveLength(5);
    let moments = 0;
    for (const phase of ['upload', 'read back', 'tags'] as const) {
      const total = whole.seen.filter((step) => step !== 'manifest HEAD' && PHASES[step] === phase).length;
      const wanted = MOMENTS[phase];
      for (let each = 0; each < wanted; each += 1) {
        moments += 1;
        const nth = 1 + Math.floor((each * total) / wanted);
        const repository = `killed-${moments}/app`;
        const openBefore = registry.openUploads();
        const { killed, seen } = await killAt(repository, phase, nth);
        expect(killed, `${phase} ${nth} of ${total}`).toBe(true);
        if (phase !== 'tags') expect(tagsOf(repository)).toEqual([]);
        const again = await publish(workspace, `${proxy.host}/${repository}`);
        expect(again.output).toContain(`${repository}:latest: `);
        expect(again.success, `${phase} ${nth}: ${again.output}`).toBe(true);
        expect(tagsOf(repository)).toHaveLength(5);
        expect(lies(repository)).toEqual([]);
        expect(await workspace.leftovers()).toEqual(['record.json']);
        // The upload whose POST was under way is known to the registry alone.
        const unknown = seen.at(-1) === 'upload POST' || seen.at(-1) === 'tags GET' ? 1 : 0;
        expect(registry.openUploads() - openBefore, `${phase} ${nth}`).toBeLessThanOrEqual(unknown);
      }
    }
    expect(moments).toBe(20);
  }, 170_000);
});
