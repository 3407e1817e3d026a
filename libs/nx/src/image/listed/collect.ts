import { chmod, copyFile, mkdir, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { MAX_ARCHIVE } from '@prebuilt/oci';
import { diskMode, LISTED_FOLDER, type ListedGroup, listedProblems, ROOT } from '../../artifacts/listed.ts';
import { PrebuiltError } from '../../errors.ts';
import { sha256OfFile } from '../../files/hash.ts';
import { type ArchiveOptions, lockedPackage } from '../../lock/debian-package.ts';
import { describeArchive, type ManifestRoom, roomAfter } from '../archives/describe.ts';
import { type MadeFile, packagedFiles, USER_FILES } from './built-ins.ts';
import type { ListedPlan } from './plan.ts';
import type { FoundFile } from './workspace-files.ts';

/** A group whose files haven't been written yet. */
interface Gathered extends Omit<ListedGroup, 'files'> {
  readonly files: readonly (FoundFile | MadeFile)[];
}

/**
 * Copies listed files into the subfolder `files` of the folder of executables, each at its final path, and describes
 * them for the manifest, including the content of workspace archives. On disk, a file's mode is 0755 or 0644, which
 * every cache preserves; its mode in the image is in the manifest. Throws `INVALID_OPTIONS` for conflicting paths, and
 * the errors of `lockedPackage` and `packagedFiles`.
 */
export async function collectListed(
  plans: readonly ListedPlan[],
  folder: string,
  cacheFolder: string,
  archives: ArchiveOptions,
): Promise<ListedGroup[]> {
  const gathered: Gathered[] = [];
  for (const plan of plans) gathered.push(await gather(plan, cacheFolder, archives));
  // By now, the packages' contents are known, too.
  const problems = listedProblems(gathered);
  if (problems.length > 0) {
    throw new PrebuiltError('INVALID_OPTIONS', `files: ${problems.slice(0, 20).join('\n  files: ')}`, {
      hint: 'Two entries of "image.files" in prebuilt.json conflict.',
    });
  }
  const groups: ListedGroup[] = [];
  // Shared by the contents of all archives.
  let room: ManifestRoom = MAX_ARCHIVE;
  for (const { files, ...group } of gathered) {
    const target = join(folder, LISTED_FOLDER);
    await mkdir(target, { recursive: true });
    for (const { path } of group.folders) await mkdir(join(target, path), { recursive: true });
    const described: ListedGroup['files'] = [];
    for (const file of files) {
      const put = join(target, file.path);
      const facts = await putFile(file, put);
      const archive = 'source' in file ? await describeArchive(put, room) : undefined;
      room = roomAfter(room, archive);
      described.push({ ...facts, ...(archive !== undefined && { archive }) });
    }
    groups.push({ ...group, files: described });
  }
  return groups;
}

async function gather(plan: ListedPlan, cacheFolder: string, archives: ArchiveOptions): Promise<Gathered> {
  switch (plan.kind) {
    case 'workspace': {
      const { path, owner, folders, files } = plan;
      return { origin: { kind: 'workspace', path }, owner, folders: [...folders], files };
    }
    case 'package': {
      const { name, pin, distribution } = plan;
      const unpacked = await lockedPackage(cacheFolder, name, pin, archives);
      const { version, architecture } = unpacked;
      return {
        origin: { kind: 'package', name, version, architecture, distribution },
        owner: ROOT,
        folders: [],
        files: await packagedFiles(name, unpacked, distribution),
      };
    }
    case 'users':
      return { origin: { kind: 'built-in', name: 'users' }, owner: ROOT, folders: [], files: USER_FILES };
    case 'tmp': {
      const folders = [{ path: 'tmp', mode: '1777' as const }];
      return { origin: { kind: 'built-in', name: 'tmp' }, owner: ROOT, folders, files: [] };
    }
  }
}

// Hashes the copy rather than the source, so that a change in between can't go unnoticed.
async function putFile(file: FoundFile | MadeFile, target: string): Promise<ListedGroup['files'][number]> {
  await mkdir(dirname(target), { recursive: true });
  if ('source' in file) await copyFile(file.source, target);
  else await writeFile(target, file.content);
  const mode = 'source' in file ? file.mode : '0644';
  await chmod(target, diskMode(mode));
  const [{ size }, sha256] = await Promise.all([stat(target), sha256OfFile(target)]);
  return { path: file.path, mode, size, sha256 };
}
