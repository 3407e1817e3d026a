import { access, constants } from 'node:fs/promises';
import { delimiter, join, resolve } from 'node:path';
import {
  hostPlatform,
  PLATFORMS,
  type Platform,
  parsePlatforms,
  qemuNameOf,
} from '../../artifacts/platform.ts';
import { sha256OfFile } from '../../files/hash.ts';
import type { ProjectContext } from '../project-context.ts';
import type { VerifyOptions } from './options.ts';
import type { ExecutionFacts } from './plan.ts';

/** Where emulators are looked for: QEMU_DIR of the environment, the given folder, PATH. */
export function emulatorFolders(
  folder: string,
  environment: Readonly<Record<string, string | undefined>>,
): readonly string[] {
  return [environment.QEMU_DIR ?? '', folder, ...(environment.PATH ?? '').split(delimiter)].filter(Boolean);
}

/** Finds out what this machine can run: an emulator counts where its file is executable. */
export async function readExecutionFacts(
  platforms: readonly Platform[],
  folders: readonly string[],
): Promise<ExecutionFacts> {
  const emulators = new Map<Platform, string>();
  for (const platform of platforms) {
    const found = await firstExecutable(folders, qemuNameOf(platform));
    if (found !== undefined) emulators.set(platform, found);
  }
  return { host: hostPlatform(process.platform, process.arch), emulators };
}

async function firstExecutable(folders: readonly string[], name: string): Promise<string | undefined> {
  for (const folder of folders) {
    for (const file of [`qemu-${name}`, `qemu-${name}-static`]) {
      const path = join(folder, file);
      const usable = await access(path, constants.X_OK).then(
        () => true,
        () => false,
      );
      if (usable) return path;
    }
  }
  return undefined;
}

/** What a verification depends on beyond files: the machine's own platform, and the emulators that are there. */
export async function readKeyFacts(
  { platforms, emulators = '.cache/qemu/usr/bin' }: Partial<VerifyOptions>,
  { root }: ProjectContext,
): Promise<unknown> {
  const { host, emulators: found } = await readExecutionFacts(
    platforms === undefined ? PLATFORMS : parsePlatforms(platforms),
    emulatorFolders(resolve(root, emulators), process.env),
  );
  const hashes = [...found].map(async ([platform, path]) => [platform, await sha256OfFile(path)] as const);
  return { host, emulators: await Promise.all(hashes) };
}
