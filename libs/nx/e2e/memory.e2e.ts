import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { skipOutsideCi } from '@prebuilt/testing/engine';
import { findDebianRegistry, startDebianRegistry } from '@prebuilt/testing/registry';
import { execa } from 'execa';
import { expect, it } from 'vitest';
import { publishWorkspace } from '../testing/publish-workspace.ts';

const PROCESS = join(import.meta.dirname, '../testing/publish-process.ts');
const MEGABYTE = 1_000_000;

it('publishing two executables of 110 MB takes less than 120 MB more than the idle process', async ({
  skip,
}) => {
  const program =
    (await findDebianRegistry()) ??
    skipOutsideCi(
      "docker-registry is missing; start the project's engine as root: npm run engine -- up",
      skip,
    );
  const folder = await mkdtemp(join(tmpdir(), 'registry-'));
  const workspace = await publishWorkspace({ version: '1.2.3', executableSize: 110 * MEGABYTE });
  const registry = await startDebianRegistry(program, { folder });
  try {
    // Like this workspace, whose .env enables the compile cache: the first run fills the folder.
    const env = { ...workspace.environment, NODE_COMPILE_CACHE: join(folder, 'compiled') };
    const publish = async (repository: string): Promise<string> => {
      const options = JSON.stringify(workspace.options(`${registry.host}/${repository}`));
      const args = [PROCESS, workspace.root, options];
      return (await execa(process.execPath, args, { env, timeout: 80_000 })).stdout;
    };
    await publish('first/app');
    const stdout = await publish('owner/app');
    const { idle, peak } = JSON.parse(stdout.split('\n').at(-1) ?? '');
    console.log(`idle ${Math.round(idle / MEGABYTE)} MB, peak ${Math.round(peak / MEGABYTE)} MB`);
    expect(stdout).toContain('contain the verified files');
    expect((peak - idle) / MEGABYTE).toBeLessThan(120);
  } finally {
    await registry.stop();
    await workspace.remove();
    await rm(folder, { recursive: true, force: true });
  }
}, 180_000);
