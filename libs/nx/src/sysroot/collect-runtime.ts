import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, copyFile, mkdir, readFile, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { type ElfFacts, openElf, resolveLinkage } from '@prebuilt/elf';
import type { RuntimeFile } from '../artifacts/manifest.ts';
import type { Platform } from '../artifacts/platform.ts';
import { PrebuiltError } from '../errors.ts';
import { type PackageLookup, readPackages, type SysrootPackage } from './packages.ts';
import { resolveInRoot } from './resolve-in-root.ts';

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

// What tells a vulnerability scanner which distribution the packages come from.
const DISTRIBUTION_PACKAGE = 'base-files';
const DISTRIBUTION_FILE = '/etc/os-release';

interface Found {
  /** The final path, absolute inside the image. */
  readonly path: string;
  /** The real file in the sysroot. */
  readonly source: string;
  readonly facts: ElfFacts;
}

/**
 * Copies what an executable needs from a sysroot into `target`, each file at its final path: the loader, the
 * closure of its shared libraries, and for their packages the copyright file and the dpkg status entry. A static
 * executable needs nothing, and no sysroot. Throws `SYSROOT` that lists everything that is missing.
 */
export async function collectRuntime(
  executable: ElfFacts,
  platform: Platform,
  sysroot: string,
  target: string,
): Promise<readonly RuntimeFile[]> {
  await mkdir(target, { recursive: true });
  if (executable.interpreter === null && executable.needed.length === 0) return [];
  const root = await requireSysroot(sysroot, platform);
  const found = await findLibraries(executable, platform, root);
  const { problems } = resolveLinkage(executable, (soname) => found.get(soname)?.facts);
  if (problems.length > 0) {
    throw new PrebuiltError(
      'SYSROOT',
      `${platform}: ${root} can't run the executable: ${problems.map((problem) => problem.message).join('; ')}`,
      { hint: 'Fetch a newer C library with ./bootstrap --refresh, or give another folder with --sysroot.' },
    );
  }
  const owner = await readPackages(root);
  const files = new Map<string, RuntimeFile>();
  for (const { path, source } of found.values()) {
    files.set(path, await copyIn(target, path, source, ownerOf(owner, root, path, source)));
  }
  for (const document of await packageDocuments(root, [...files.values()])) {
    files.set(document.path, await copyIn(target, document.path, document.source, document.package));
  }
  return [...files.keys()].sort().flatMap((path) => files.get(path) ?? []);
}

async function requireSysroot(sysroot: string, platform: Platform): Promise<string> {
  const root = join(sysroot, platform.replaceAll('/', '-'));
  if (existsSync(root)) return root;
  throw new PrebuiltError('SYSROOT', `${platform}: expected the C library's folder ${root}, found none`, {
    hint: 'Fetch it with ./bootstrap, or give a folder with --sysroot (one sub-folder a platform).',
  });
}

async function findLibraries(
  executable: ElfFacts,
  platform: Platform,
  root: string,
): Promise<ReadonlyMap<string, Found>> {
  const triplet = TRIPLETS[platform] ?? '';
  const folders = [`/lib/${triplet}`, `/usr/lib/${triplet}`, '/lib64', '/usr/lib64', '/lib', '/usr/lib'];
  const found = new Map<string, Found>();
  if (executable.interpreter !== null) {
    const loader = await open(root, executable.interpreter);
    if (loader !== undefined) found.set(basename(executable.interpreter), loader);
  }
  const waiting = [...executable.needed, ...[...found.values()].flatMap(({ facts }) => facts.needed)];
  const asked = new Set(found.keys());
  for (let soname = waiting.shift(); soname !== undefined; soname = waiting.shift()) {
    if (asked.has(soname)) continue;
    asked.add(soname);
    for (const folder of folders) {
      const opened = await open(root, `${folder}/${soname}`);
      if (opened === undefined) continue;
      found.set(soname, opened);
      waiting.push(...opened.facts.needed);
      break;
    }
  }
  return found;
}

async function open(root: string, path: string): Promise<Found | undefined> {
  const source = await resolveInRoot(root, path);
  return source === undefined ? undefined : { path, source, facts: await openElf(source) };
}

function ownerOf(
  owner: PackageLookup,
  root: string,
  path: string,
  source: string,
): SysrootPackage | undefined {
  return owner(path) ?? owner(source.slice(root.length));
}

interface PackageDocument {
  readonly path: string;
  readonly source: string;
  readonly package: SysrootPackage;
}

async function packageDocuments(
  root: string,
  files: readonly RuntimeFile[],
): Promise<readonly PackageDocument[]> {
  const packages = new Map(
    files.flatMap((file) => (file.package === null ? [] : [[file.package.name, file.package]])),
  );
  const documents: PackageDocument[] = [];
  const add = async (path: string, owner: SysrootPackage): Promise<void> => {
    const source = await resolveInRoot(root, path);
    if (source !== undefined) documents.push({ path, source, package: owner });
  };
  const distribution = (await readPackages(root))(DISTRIBUTION_FILE);
  if (packages.size > 0 && distribution !== undefined) {
    packages.set(DISTRIBUTION_PACKAGE, distribution);
    await add(DISTRIBUTION_FILE, distribution);
  }
  for (const owner of packages.values()) {
    await add(`/usr/share/doc/${owner.name}/copyright`, owner);
    await add(`/var/lib/dpkg/status.d/${owner.name}`, owner);
  }
  return documents;
}

async function copyIn(
  target: string,
  path: string,
  source: string,
  owner: SysrootPackage | undefined,
): Promise<RuntimeFile> {
  const inner = path.slice(1);
  const destination = join(target, inner);
  await mkdir(dirname(destination), { recursive: true });
  await copyFile(source, destination);
  const { mode, size } = await stat(source);
  const executable = (mode & 0o111) !== 0;
  await chmod(destination, executable ? 0o755 : 0o644);
  return {
    path: inner,
    mode: executable ? '0755' : '0644',
    size,
    sha256: createHash('sha256')
      .update(await readFile(destination))
      .digest('hex'),
    package: owner ?? null,
  };
}
