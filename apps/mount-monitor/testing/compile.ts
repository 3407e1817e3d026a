import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { TestProject } from 'vitest/node';

declare module 'vitest' {
  export interface ProvidedContext {
    /** The compiled executable under test. */
    readonly executable: string;
  }
}

/** An executable compiled earlier, used instead of compiling one in this run. */
const given = process.env.MOUNT_MONITOR_EXECUTABLE;

/** The version that is compiled in; for a given executable, the one in RELEASE_VERSION. */
export const compiledVersion =
  given === undefined ? '9.8.7' : (process.env.RELEASE_VERSION?.replace(/^v/, '') ?? '0.0.0-dev');

/** The folder of this process's executable. Each project of a run loads this module again. */
const shared = globalThis as { mountMonitorFolder?: string };

/** Compiles the executable once per run, with the release's flags, into a temporary folder. */
export function setup(project: TestProject): void {
  if (given === undefined) shared.mountMonitorFolder ??= compileForTests();
  project.provide('executable', given ?? join(shared.mountMonitorFolder ?? '', fileName));
}

/** Removes what `setup` created; called when all projects have finished. */
export function teardown(): void {
  const folder = shared.mountMonitorFolder;
  delete shared.mountMonitorFolder;
  if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
}

const fileName = 'mount-monitor';

function compileForTests(): string {
  const folder = mkdtempSync(join(tmpdir(), 'mount-monitor-test-'));
  // Some tests run it as another user.
  chmodSync(folder, 0o755);
  compile(join(folder, fileName));
  return folder;
}

/** The compiler's package for this host, and its name for the target. */
const toolchain =
  process.arch === 'arm64'
    ? { package: '@oven/bun-linux-aarch64', target: 'bun-linux-arm64' }
    : { package: '@oven/bun-linux-x64-baseline', target: 'bun-linux-x64-baseline' };

/** Compiles the sources to an executable for this host. */
export function compile(outfile: string): void {
  const bun = createRequire(import.meta.url).resolve(`${toolchain.package}/bin/bun`);
  const args = [
    'build',
    '--compile',
    '--minify',
    '--bytecode',
    '--format=esm',
    '--splitting',
    `--target=${toolchain.target}`,
    // Otherwise, Bun downloads its own executable for this target.
    `--compile-executable-path=${bun}`,
    '--no-compile-autoload-dotenv',
    '--no-compile-autoload-bunfig',
    '--no-compile-autoload-tsconfig',
    '--no-compile-autoload-package-json',
    '--env=disable',
    '--sourcemap=none',
    '--define',
    `process.env.RELEASE_VERSION=${JSON.stringify(compiledVersion)}`,
    '--define',
    'process.env.NODE_ENV="production"',
    fileURLToPath(new URL('../src/main.ts', import.meta.url)),
    '--outfile',
    outfile,
  ];
  const result = spawnSync(bun, args, { encoding: 'utf8', timeout: 120_000 });
  if (result.status !== 0) throw new Error(`bun build exited with ${result.status}: ${result.stderr}`);
}
