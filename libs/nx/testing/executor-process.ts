import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { formatManifest, MANIFEST_FILE } from '../src/artifacts/manifest.ts';
import type { DockerReleaseOptions } from '../src/executors/docker-release/options.ts';
import { type ReleaseWorkspace, writeReports } from './release-workspace.ts';

/** An executor running in its own process. */
export interface ExecutorProcess {
  readonly exit: Promise<number | null>;
  interrupt(): void;
  output(): string;
}

/** Starts docker-release in its own process, through the given program and arguments (`env`, `unshare`). */
export function startRelease(
  workspace: ReleaseWorkspace,
  options: Partial<DockerReleaseOptions>,
  [file, ...args]: readonly [string, ...string[]],
): ExecutorProcess {
  const executor = join(import.meta.dirname, '../src/executors/docker-release/executor.ts');
  const program = `
    const { default: run } = await import(${JSON.stringify(executor)});
    const options = ${JSON.stringify(workspace.options(options))};
    const result = await run(options, { root: ${JSON.stringify(workspace.root)} });
    process.exitCode = result.success ? 0 : 1;
  `;
  const child = spawn(file, [...args, process.execPath, '--input-type=module', '--eval', program], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let text = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk) => {
      text += chunk;
    });
  }
  const exit = once(child, 'close').then(([code]) => code as number | null);
  return { exit, interrupt: () => void child.kill('SIGINT'), output: () => text };
}

/** Gives every platform in a workspace an executable of the given size, and updates the manifest and reports. */
export async function growExecutables(workspace: ReleaseWorkspace, bytes: number): Promise<void> {
  const content = Buffer.alloc(bytes);
  for (let at = 0; at + 4 <= bytes; at += 4) content.writeUInt32LE((at * 2_654_435_761) % 2 ** 32, at);
  const sha256 = createHash('sha256').update(content).digest('hex');
  const platforms = [];
  for (const artifact of workspace.manifest.platforms) {
    await writeFile(workspace.path('dist/bin', artifact.path), content);
    platforms.push({ ...artifact, size: bytes, sha256 });
  }
  const manifest = { ...workspace.manifest, platforms };
  await writeFile(workspace.path('dist/bin', MANIFEST_FILE), formatManifest(manifest));
  await writeReports(workspace.root, manifest);
}
