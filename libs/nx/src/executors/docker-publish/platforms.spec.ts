import { sleepingClock, startFakeRegistry } from '@prebuilt/testing/registry';
import { expect, it, vi } from 'vitest';
import { publishWorkspace } from '../../../testing/publish-workspace.ts';
import { PLATFORMS } from '../../artifacts/platform.ts';
import dockerPublish from './executor.ts';

it('the index in the registry names every platform, and every arm platform with its variant', async () => {
  const printed: string[] = [];
  for (const name of ['log', 'warn', 'error'] as const) {
    vi.spyOn(console, name).mockImplementation((...parts) => void printed.push(parts.join(' ')));
  }
  const registry = await startFakeRegistry();
  const workspace = await publishWorkspace({
    version: '1.2.3',
    executableSize: 1000,
    platforms: [...PLATFORMS].sort(),
  });
  try {
    const { success } = await dockerPublish(
      workspace.options(`${registry.host}/acme/app`),
      { root: workspace.root, projectName: 'app' },
      { environment: workspace.environment, clock: sleepingClock() },
    );
    expect(success, printed.join('\n')).toBe(true);
    const response = await fetch(`http://${registry.host}/v2/acme/app/manifests/1.2.3`, {
      headers: { accept: 'application/vnd.oci.image.index.v1+json' },
    });
    const { manifests } = (await response.json()) as { readonly manifests: readonly { platform: unknown }[] };
    expect(manifests.map(({ platform }) => platform)).toEqual([
      { architecture: '386', os: 'linux' },
      { architecture: 'amd64', os: 'linux' },
      { architecture: 'arm', os: 'linux', variant: 'v6' },
      { architecture: 'arm', os: 'linux', variant: 'v7' },
      { architecture: 'arm64', os: 'linux' },
      { architecture: 'ppc64le', os: 'linux' },
      { architecture: 'riscv64', os: 'linux' },
      { architecture: 's390x', os: 'linux' },
    ]);
  } finally {
    vi.restoreAllMocks();
    await Promise.all([registry.close(), workspace.remove()]);
  }
});
