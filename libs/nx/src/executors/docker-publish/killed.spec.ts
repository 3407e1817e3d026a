import { readdir } from 'node:fs/promises';
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
// At how many moments of each phase a publish is killed.
const MOMENTS: Readonly<Record<Phase, number>> = { upload: 9, 'read back': 6, tags: 5 };

/** How many of them run in parallel, each with its own registry, proxy and output folder. */
const LANES = 4;

interface Place {
  readonly registry: FakeRegistry;
  readonly proxy: FaultProxy;
  /** The folder for the record, relative to the workspace root. */
  readonly outputPath: string;
}

describe('a killed publish', () => {
  let workspace: PublishWorkspace;

  beforeAll(async () => {
    workspace = await publishWorkspace({ version: '1.2.3', executableSize: 200_000 });
  });
  afterAll(() => workspace?.remove());

  async function at<T>(outputPath: string, work: (place: Place) => Promise<T>): Promise<T> {
    const registry = await startFakeRegistry();
    const proxy = await startFaultProxy(registry.host);
    try {
      return await work({ registry, proxy, outputPath });
    } finally {
      await proxy.close();
      await registry.close();
    }
  }

  // What a tag points to is complete and is the verified image.
  function lies({ registry }: Place): readonly string[] {
    return [...registry.tags].flatMap(([tag, digest]) => {
      if (digest !== workspace.index.digest) return [`${tag} names ${digest}`];
      const index = registry.manifests.get(`owner/app@${digest}`);
      const children: readonly { readonly digest: string }[] =
        JSON.parse(index?.bytes.toString('utf8') ?? '{}').manifests ?? [];
      if (children.length !== 2) return [`${tag} has no index`];
      return children.flatMap((child) => {
        const manifest = registry.manifests.get(`owner/app@${child.digest}`);
        if (manifest === undefined) return [`${tag} lacks ${child.digest}`];
        const { config, layers } = JSON.parse(manifest.bytes.toString('utf8'));
        return [config, ...layers].flatMap((blob) =>
          registry.blobs.has(blob.digest) ? [] : [`${tag} lacks ${blob.digest}`],
        );
      });
    });
  }

  async function killAt(
    place: Place,
    phase: Phase,
    nth: number,
  ): Promise<{ readonly killed: boolean; readonly seen: readonly Step[] }> {
    const { proxy, outputPath } = place;
    const seen: Step[] = [];
    const found: string[] = [];
    let verified = false;
    const options = workspace.options(`${proxy.host}/owner/app`, { concurrency: 1, outputPath });
    const child = execa(process.execPath, [PROCESS, workspace.root, JSON.stringify(options)], {
      env: { ...workspace.environment },
      reject: false,
      timeout: 120_000,
    });
    proxy.inject((step) => {
      seen.push(step);
      if (step === 'blob GET') verified = true;
      if (PHASES[step] === 'tags' && !verified) found.push('a tag was put before anything was read back');
      // HEAD requests for manifests belong to the current phase.
      if (step !== 'manifest HEAD' && PHASES[step] === phase) {
        const count = seen.filter((each) => each !== 'manifest HEAD' && PHASES[each] === phase).length;
        if (count === nth) child.kill('SIGKILL');
      }
      return undefined;
    });
    const watcher = setInterval(() => found.push(...lies(place)), 2);
    const { isTerminated } = await child;
    clearInterval(watcher);
    found.push(...lies(place));
    expect(found).toEqual([]);
    return { killed: isTerminated, seen };
  }

  async function killAndRepeat(place: Place, phase: Phase, nth: number): Promise<void> {
    const { registry, proxy, outputPath } = place;
    const { killed, seen } = await killAt(place, phase, nth);
    expect(killed, `${phase} ${nth}`).toBe(true);
    if (phase !== 'tags') expect([...registry.tags]).toEqual([]);
    const again = await publish(workspace, `${proxy.host}/owner/app`, { outputPath });
    expect(again.output).toContain('owner/app:latest: ');
    expect(again.success, `${phase} ${nth}: ${again.output}`).toBe(true);
    expect([...registry.tags]).toHaveLength(5);
    expect(lies(place)).toEqual([]);
    expect(await readdir(join(workspace.root, outputPath))).toEqual(['record.json']);
    // Only the registry knows about an upload whose POST was in flight.
    const unknown = seen.at(-1) === 'upload POST' || seen.at(-1) === 'tags GET' ? 1 : 0;
    expect(registry.openUploads(), `${phase} ${nth}`).toBeLessThanOrEqual(unknown);
  }

  it('a rerun completes a publish that was killed at any of 20 moments, and no tag is ever wrong', async () => {
    const whole = await at('dist/publish', async (place) => {
      const { killed, seen } = await killAt(place, 'upload', Number.POSITIVE_INFINITY);
      expect(killed).toBe(false);
      expect([...place.registry.tags]).toHaveLength(5);
      return seen;
    });
    const moments = (['upload', 'read back', 'tags'] as const).flatMap((phase) => {
      const total = whole.filter((step) => step !== 'manifest HEAD' && PHASES[step] === phase).length;
      const wanted = MOMENTS[phase];
      return Array.from({ length: wanted }, (_, each) => ({
        phase,
        nth: 1 + Math.floor((each * total) / wanted),
      }));
    });
    expect(moments).toHaveLength(20);
    const waiting = [...moments.entries()];
    const lane = async (): Promise<void> => {
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
        const [index, { phase, nth }] = next;
        await at(`dist/publish-${index}`, (place) => killAndRepeat(place, phase, nth));
      }
    };
    await Promise.all(Array.from({ length: LANES }, lane));
  }, 240_000);
});
