import { existsSync } from 'node:fs';
import { access, constants } from 'node:fs/promises';
import { delimiter, join, resolve } from 'node:path';
import { readManifest } from '../../artifacts/manifest.ts';
import { PLATFORMS, type Platform, parsePlatforms, qemuNameOf } from '../../artifacts/platform.ts';
import { sha256OfFile } from '../../files/hash.ts';
import { type EngineFacts, readDockerFacts } from '../../image/builder-facts.ts';
import { checkEmulator, emulatorPath } from '../../lock/emulator.ts';
import { CACHE_FOLDER, type Lock, readLock } from '../../lock/lock.ts';
import { type Host, nativePlatform, thisHost } from '../../process/host.ts';
import type { KeyFacts } from '../key-facts.ts';
import type { ProjectContext } from '../project-context.ts';
import type { VerifyOptions } from './options.ts';
import type { ExecutionFacts } from './plan.ts';
import { RELATED, relatedPlatforms } from './related-platforms.ts';

/** Where to look for emulators, in this order: folders that the user gives, the lock's emulators, PATH. */
export interface EmulatorPlaces {
  readonly given: readonly string[];
  readonly locked: { readonly lock: Lock; readonly cacheFolder: string };
  readonly path: readonly string[];
}

/** The places for a workspace: the QEMU_DIR variable and the given folder, the workspace's lock, PATH. */
export async function emulatorPlaces(
  workspaceRoot: string,
  folder: string | undefined,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<EmulatorPlaces> {
  const given = [environment.QEMU_DIR, folder === undefined ? undefined : resolve(workspaceRoot, folder)];
  return {
    given: given.flatMap((each) => each || []),
    locked: { lock: await readLock(workspaceRoot), cacheFolder: join(workspaceRoot, CACHE_FOLDER) },
    path: (environment.PATH ?? '').split(delimiter).filter(Boolean),
  };
}

/**
 * Finds out what this machine can run. An emulator counts if its file is executable. The lock's emulator counts if it
 * has been fetched, and is checked against the lock. A machine that can't run Linux executables itself, such as a Mac,
 * runs them in containers if an engine answers. Throws `SYSROOT_INTEGRITY` if an emulator does not match the lock.
 */
export async function readExecutionFacts(
  platforms: readonly Platform[],
  { given, locked, path }: EmulatorPlaces,
  machine: Host = thisHost(),
  askEngine: () => Promise<EngineFacts | undefined> = engineThatAnswers,
): Promise<ExecutionFacts> {
  const host = nativePlatform(machine);
  const engine = host === undefined ? await askEngine() : undefined;
  const emulators = new Map<Platform, string>();
  const unfetched = new Set<Platform>();
  // Finding out takes a process, so only do it if it matters.
  const related = platforms.some((each) => each !== host && RELATED.has(each))
    ? await relatedPlatforms(host)
    : new Set<Platform>();
  for (const platform of platforms) {
    if (platform === host || related.has(platform)) continue;
    const pin = host && locked.lock.emulators?.[host]?.[platform];
    const kept = pin && emulatorPath(locked.cacheFolder, pin);
    const name = qemuNameOf(platform);
    const found =
      (await firstExecutable(given, name)) ??
      (pin && kept && existsSync(kept) ? await checkEmulator(kept, pin) : undefined) ??
      (await firstExecutable(path, name));
    if (found !== undefined) emulators.set(platform, found);
    else if (pin !== undefined) unfetched.add(platform);
  }
  return { host, related, emulators, unfetched, engine };
}

async function engineThatAnswers(): Promise<EngineFacts | undefined> {
  return (await readDockerFacts('daemonless', undefined)).engine;
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

/**
 * What a verification depends on besides files: the machine's own platform, the emulators available for the platforms
 * that were built (or for every platform if there is no build yet), and on a Mac the engine.
 */
export async function readKeyFacts(
  { platforms, emulators, inputPath }: Partial<VerifyOptions>,
  { root }: ProjectContext,
): Promise<KeyFacts> {
  const [places, built] = await Promise.all([
    emulatorPlaces(root, emulators, process.env),
    platforms === undefined ? builtPlatforms(resolve(root, inputPath ?? 'dist/bin')) : undefined,
  ]);
  const wanted = platforms === undefined ? (built ?? PLATFORMS) : parsePlatforms(platforms);
  return { rest: () => emulatorFacts(wanted, places) };
}

async function emulatorFacts(wanted: readonly Platform[], places: EmulatorPlaces): Promise<unknown> {
  const { host, related, emulators: found, engine } = await readExecutionFacts(wanted, places);
  const { lock, cacheFolder } = places.locked;
  const hashes = [...found].map(async ([platform, path]) => {
    const pin = host && lock.emulators?.[host]?.[platform];
    // The lock's emulator has just been checked.
    const known = pin && path === emulatorPath(cacheFolder, pin) ? pin.executable.sha256 : undefined;
    return [platform, known ?? (await sha256OfFile(path))] as const;
  });
  return { host, related: [...related], emulators: await Promise.all(hashes), engine };
}

// The executor reports an unreadable manifest.
async function builtPlatforms(folder: string): Promise<readonly Platform[] | undefined> {
  return readManifest(folder).then(
    ({ manifest }) => manifest.platforms.map(({ platform }) => platform),
    () => undefined,
  );
}
