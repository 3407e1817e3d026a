import { type FakeRegistry, sleepingClock, startFakeRegistry } from '@prebuilt/testing/registry';
import { execa } from 'execa';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type PublishWorkspace, publishWorkspace } from '../../../testing/publish-workspace.ts';
import dockerPublish from './executor.ts';

describe('two programs of one workspace, each with its own tags', () => {
  let registry: FakeRegistry;
  let workspace: PublishWorkspace;
  let printed: string[];

  beforeEach(async () => {
    printed = [];
    for (const name of ['log', 'warn', 'error'] as const) {
      vi.spyOn(console, name).mockImplementation((...parts) => void printed.push(parts.join(' ')));
    }
    registry = await startFakeRegistry();
    workspace = await publishWorkspace({ version: '1.2.3', executableSize: 1000 });
  });
  afterEach(async () => {
    vi.restoreAllMocks();
    await Promise.all([registry.close(), workspace.remove()]);
  });

  const tag = (name: string) =>
    execa('git', ['tag', name], { cwd: workspace.root, env: { ...workspace.environment } });

  /** Publishes the latest build as a version of a program. Returns the tags that moved. */
  async function publish(projectName: string): Promise<readonly string[]> {
    const { success } = await dockerPublish(
      workspace.options(`${registry.host}/acme/${projectName}`, { tagSpellings: ['plain'] }),
      {
        root: workspace.root,
        projectName,
        nxJsonConfiguration: { release: { projectsRelationship: 'independent' } },
      },
      { environment: workspace.environment, clock: sleepingClock() },
    );
    expect(printed.join('\n')).not.toMatch(/^error /m);
    expect(success).toBe(true);
    const moved = printed.flatMap((line) => /\/acme\/[a-z]+:(\S+): moved /.exec(line)?.[1] ?? []);
    printed = [];
    return moved;
  }

  it('two programs release 1.2.3 from one commit, and neither looks at the other’s versions', async () => {
    await tag('server@1.2.3');
    await tag('tool@1.2.3');
    await tag('server-admin@3.0.0');
    await tag('other@9.0.0');
    expect(await publish('server')).toEqual(['1.2.3', '1.2', '1', 'latest']);
    expect(await publish('tool')).toEqual(['1.2.3', '1.2', '1', 'latest']);
  });

  it('two programs keep their own highest versions when one of them releases a backport', async () => {
    await tag('server@1.2.3');
    await tag('tool@1.2.3');
    await publish('server');
    await publish('tool');
    await workspace.release({ version: '2.0.0', executableSize: 1000 });
    await tag('server@2.0.0');
    expect(await publish('server')).toEqual(['2.0.0', '2.0', '2', 'latest']);
    await workspace.release({ version: '1.2.4', executableSize: 1000 });
    await tag('server@1.2.4');
    await tag('tool@1.2.4');
    expect(await publish('server')).toEqual(['1.2.4', '1.2', '1']);
    expect(await publish('tool')).toEqual(['1.2.4', '1.2', '1', 'latest']);
  });
});
