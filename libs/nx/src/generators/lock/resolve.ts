import { mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type Digest, parseImageReference } from '@prebuilt/oci';
import { debianArchitectureOf, type Platform, qemuNameOf } from '../../artifacts/platform.ts';
import { PrebuiltError } from '../../errors.ts';
import { openApt, type PrivateApt, readDistribution } from '../../lock/apt.ts';
import { type FetchArchive, hashEmulator, hashPackage } from '../../lock/debian-package.ts';
import type { DebianPin, EmulatorPin, Lock, NpmPin } from '../../lock/lock.ts';
import { describePackage, hashInner } from '../../lock/npm-package.ts';
import { withConnection } from '../../registry/connect.ts';
import { BUN_EXECUTABLE, BUN_PACKAGES } from '../../toolchains/bun.ts';

/** Finds everything that a lock can contain, and its hashes. */
export interface Resolver {
  bun(version: string): Promise<NonNullable<Lock['bun']>>;
  packages(architecture: string, names: readonly string[]): Promise<Readonly<Record<string, DebianPin>>>;
  emulator(host: Platform, target: Platform): Promise<EmulatorPin>;
  /** The digest that an image's tag currently points to. */
  image(reference: string): Promise<Digest>;
  /** This machine's distribution. Throws `SYSROOT` if it is neither Debian nor Ubuntu. */
  distribution(): Promise<NonNullable<Lock['distribution']>>;
}

/** Runs work with a resolver that uses the npm registry and the machine's apt, and then removes its temporary files. */
export async function withResolver<T>(
  cacheFolder: string,
  temporary: string,
  progress: (line: string) => void,
  work: (resolver: Resolver) => Promise<T>,
): Promise<T> {
  const folder = await mkdtemp(temporary);
  const opened = new Map<string, Promise<PrivateApt>>();
  const aptFor = (architecture: string): Promise<PrivateApt> => {
    const apt = opened.get(architecture) ?? openApt(folder, architecture);
    opened.set(architecture, apt);
    return apt;
  };
  const fetchWith =
    (apt: PrivateApt): FetchArchive =>
    async ({ name, version }, file) => {
      const target = await mkdtemp(join(dirname(file), 'download-'));
      await apt.download(name, version, target);
      const [found] = await readdir(target);
      if (found === undefined)
        throw new PrebuiltError('SYSROOT', `${name} ${version}: apt downloaded nothing`);
      await rename(join(target, found), file);
    };
  try {
    return await work({
      distribution: findDistribution,
      bun: (version) => resolveBun(cacheFolder, version, progress),
      image: resolveImage,
      async packages(architecture, names) {
        const apt = await aptFor(architecture);
        const pins: Record<string, DebianPin> = {};
        for (const found of await apt.show(names)) {
          const contents = await hashPackage(cacheFolder, found, { fetch: fetchWith(apt), progress });
          const { name, ...pin } = found;
          pins[name] = { ...pin, contents };
        }
        return pins;
      },
      async emulator(host, target) {
        const apt = await aptFor(debianArchitectureOf(host));
        return resolveEmulator(cacheFolder, apt, target, { fetch: fetchWith(apt), progress });
      },
    });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function resolveImage(reference: string): Promise<Digest> {
  const { tag = 'latest', ...repository } = parseImageReference(reference);
  return withConnection([repository], { rights: 'pull' }, {}, async ({ clientOf }) => {
    const { digest } = await clientOf(repository).getManifest(tag);
    return digest;
  });
}

async function findDistribution(): Promise<NonNullable<Lock['distribution']>> {
  const { id } = await readDistribution();
  if (id === 'debian' || id === 'ubuntu') return id;
  throw new PrebuiltError('SYSROOT', `distribution: expected debian or ubuntu, found ${id || 'none'}`, {
    hint: 'Write the lock in a Debian or Ubuntu container. Any machine can then fetch its contents.',
  });
}

async function resolveBun(
  cacheFolder: string,
  wanted: string,
  progress: (line: string) => void,
): Promise<NonNullable<Lock['bun']>> {
  const packages: Record<string, NpmPin> = {};
  let version = wanted;
  for (const name of BUN_PACKAGES) {
    const described = await describePackage(name, version);
    // Look up a tag only once, so that all platforms get the same version.
    version = described.version;
    const { integrity } = described;
    packages[name] = {
      integrity,
      sha256: await hashInner(cacheFolder, described, BUN_EXECUTABLE, { progress }),
    };
  }
  return { version, packages };
}

// Debian 13 moved the files of qemu-user-static to qemu-user and left links behind.
async function resolveEmulator(
  cacheFolder: string,
  apt: PrivateApt,
  target: Platform,
  options: { readonly fetch: FetchArchive; readonly progress: (line: string) => void },
): Promise<EmulatorPin> {
  const name = qemuNameOf(target);
  const places = [
    { package: 'qemu-user-static', path: `usr/bin/qemu-${name}-static` },
    { package: 'qemu-user', path: `usr/bin/qemu-${name}` },
  ];
  const reasons: string[] = [];
  for (const place of places) {
    try {
      const [found] = await apt.show([place.package]);
      if (found === undefined) continue;
      const { name: _, ...pin } = { ...found, package: place.package };
      const executable = { path: place.path };
      const sha256 = await hashEmulator(cacheFolder, { ...pin, executable }, options);
      return { ...pin, executable: { ...executable, sha256 } };
    } catch (error) {
      if (!(error instanceof PrebuiltError) || error.code !== 'SYSROOT') throw error;
      reasons.push(error.message);
    }
  }
  throw new PrebuiltError('SYSROOT', `emulator for ${target}: ${reasons.join('; ')}`);
}
