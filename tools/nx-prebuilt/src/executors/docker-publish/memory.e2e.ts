import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { skipOutsideCi } from '@prebuilt/engine';
import { execa } from 'execa';
import { expect, it } from 'vitest';
import { findDebianRegistry, startDebianRegistry } from '../../testing/debian-registry.ts';
import { publishWorkspace } from '../../testing/publish-workspace.ts';

const PROCESS = join(import.meta.dirname, '../../testing/publish-process.ts');
const MEGABYTE = 1_000_000;

it('a publish of two executables of 110 MB stays under 120 MB above the idle process', async ({ skip }) => {
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
    const options = JSON.stringify(workspace.options(`${registry.host}/owner/app`));
    const { stdout } = await execa(process.execPath, [PROCESS, workspace.root, options], {
      env: { ...workspace.environment },
      timeout: 150_000,
    });
    const { idle, peak } = JSON.parse(stdout.split('\n').at(-1) ?? '');
    console.log(`idle ${Math.round(idle / MEGABYTE)} MB, peak ${Math.round(peak / MEGABYTE)} MB`);
    expect(stdout).toContain('hold the verified files');
    expect((peak - idle) / MEGABYTE).toBeLessThan(120);
  } finally {
    await registry.stop();
    await workspace.remove();
    await rm(folder, { recursive: true, force: true });
  }
}, 180_000);
