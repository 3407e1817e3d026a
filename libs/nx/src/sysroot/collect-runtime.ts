import { chmod, copyFile, mkdir, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { type ElfFacts, openElf, resolveLinkage } from '@prebuilt/elf';
import type { RuntimeFile } from '../artifacts/manifest.ts';
import type { Platform } from '../artifacts/platform.ts';
import { PrebuiltError } from '../errors.ts';
import { sha256OfFile } from '../files/hash.ts';
import { LOCK_COMMAND, LOCK_FILE } from '../lock/lock.ts';
import type { SysrootPackage } from './packages.ts';
import type { Sysroot, SysrootFile } from './sysroot.ts';

const TRIPLETS: Readonly<Record<string, string>> = {
  'linux/amd64': 'x86_64-linux-gnu',
  'linux/arm64': 'aarch64-linux-gnu',
  'linux/arm/v7': 'arm-linux-gnueabihf',
  'linux/arm/v6': 'arm-linux-gnueabi',
  'linux/386': 'i386-linux-gnu',
  'linux/ppc64le': 'powerpc64le-linux-gnu',
  'linux/riscv64': 'riscv64-linux-gnu',
  'linux/s390x': 's390x-linux-gnu',
};

// They tell vulnerability scanners which distribution the packages come from.
const DISTRIBUTION_PACKAGE = 'base-files';
const DISTRIBUTION_FILE = '/etc/os-release';

interface Found {
  /** The absolute path in the image. */
  readonly path: string;
  readonly file: SysrootFile;
  readonly facts: ElfFacts;
}

/**
 * Copies what executables need from a sysroot into `target`, each file at its final path: the loader, the transitive
 * closure of their shared libraries, and their packages' copyright files and dpkg status entries. Static executables
 * need nothing, so no sysroot is opened for them. Throws `SYSROOT`, listing everything that is missing, and
 * `SYSROOT_INTEGRITY` if a file doesn't match the lock when copied.
 */
export async function collectRuntime(
  executables: readonly ElfFacts[],
  platform: Platform,
  open: () => Promise<Sysroot>,
  target: string,
): Promise<readonly RuntimeFile[]> {
  await mkdir(target, { recursive: true });
  const dynamic = executables.filter(({ interpreter, needed }) => interpreter !== null || needed.length > 0);
  if (dynamic.length === 0) return [];
  const sysroot = await open();
  const files = new Map<string, RuntimeFile>();
  for (const executable of dynamic) {
    for (const { path, file } of await findRuntime(executable, platform, sysroot)) {
      if (!files.has(path)) files.set(path, await copyIn(target, path, file));
    }
  }
  for (const [path, file] of await packageDocuments(sysroot, [...files.values()])) {
    files.set(path, await copyIn(target, path, file));
  }
  return [...files.keys()].sort().flatMap((path) => files.get(path) ?? []);
}

async function findRuntime(
  executable: ElfFacts,
  platform: Platform,
  sysroot: Sysroot,
): Promise<readonly Found[]> {
  const found = await findLibraries(executable, platform, sysroot);
  const { problems } = resolveLinkage(executable, (soname) => found.get(soname)?.facts);
  if (problems.length === 0) return [...found.values()];
  throw new PrebuiltError(
    'SYSROOT',
    `${platform}: ${sysroot.label} can't run the executable: ${problems.map((problem) => problem.message).join('; ')}`,
    {
      hint: `Add the package with the missing library to sysrootPackages (libgcc_s.so.1 is in libgcc-s1), then run: ${LOCK_COMMAND}`,
    },
  );
}

async function findLibraries(
  executable: ElfFacts,
  platform: Platform,
  sysroot: Sysroot,
): Promise<ReadonlyMap<string, Found>> {
  const triplet = TRIPLETS[platform] ?? '';
  const folders = [`/lib/${triplet}`, `/usr/lib/${triplet}`, '/lib64', '/usr/lib64', '/lib', '/usr/lib'];
  const found = new Map<string, Found>();
  if (executable.interpreter !== null) {
    const loader = await open(sysroot, executable.interpreter);
    if (loader !== undefined) found.set(basename(executable.interpreter), loader);
  }
  const waiting = [...executable.needed, ...[...found.values()].flatMap(({ facts }) => facts.needed)];
  const asked = new Set(found.keys());
  for (let soname = waiting.shift(); soname !== undefined; soname = waiting.shift()) {
    if (asked.has(soname)) continue;
    asked.add(soname);
    for (const folder of folders) {
      const opened = await open(sysroot, `${folder}/${soname}`);
      if (opened === undefined) continue;
      found.set(soname, opened);
      waiting.push(...opened.facts.needed);
      break;
    }
  }
  return found;
}

async function open(sysroot: Sysroot, path: string): Promise<Found | undefined> {
  const file = await sysroot.find(path);
  return file === undefined ? undefined : { path, file, facts: await openElf(file.source) };
}

async function packageDocuments(
  sysroot: Sysroot,
  files: readonly RuntimeFile[],
): Promise<ReadonlyMap<string, SysrootFile>> {
  const packages = new Map<string, SysrootPackage>(
    files.flatMap((file) => (file.package === null ? [] : [[file.package.name, file.package]])),
  );
  const documents = new Map<string, SysrootFile>();
  const add = async (path: string, owner: SysrootPackage): Promise<void> => {
    const file = await sysroot.find(path);
    if (file !== undefined) documents.set(path, { ...file, owner });
  };
  const distribution = await sysroot.find(DISTRIBUTION_FILE);
  if (packages.size > 0 && distribution?.owner != null) {
    packages.set(DISTRIBUTION_PACKAGE, distribution.owner);
    await add(DISTRIBUTION_FILE, distribution.owner);
  }
  for (const owner of packages.values()) {
    await add(`/usr/share/doc/${owner.name}/copyright`, owner);
    await add(`/var/lib/dpkg/status.d/${owner.name}`, owner);
  }
  return documents;
}

// Hashes the copy rather than the source, so that a change in between can't go unnoticed.
async function copyIn(target: string, path: string, file: SysrootFile): Promise<RuntimeFile> {
  const inner = path.slice(1);
  const destination = join(target, inner);
  await mkdir(dirname(destination), { recursive: true });
  await copyFile(file.source, destination);
  const { mode, size } = await stat(file.source);
  const executable = (mode & 0o111) !== 0;
  await chmod(destination, executable ? 0o755 : 0o644);
  const sha256 = await sha256OfFile(destination);
  if (file.sha256 !== null && file.sha256 !== sha256) {
    throw new PrebuiltError(
      'SYSROOT_INTEGRITY',
      `${file.source}: expected SHA-256 ${file.sha256} from ${LOCK_FILE}, found ${sha256}`,
      { hint: 'Something changed the file during the build: build again.' },
    );
  }
  return { path: inner, mode: executable ? '0755' : '0644', size, sha256, package: file.owner };
}
