import { createHash } from 'node:crypto';
import { copyFile, mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { execa } from 'execa';
import type { FetchArchive, PinnedArchive } from '../src/lock/debian-package.ts';

/** A Debian package built here with dpkg-deb. */
export interface SampleArchive extends PinnedArchive {
  readonly file: string;
}

/** Builds a package with the given files (paths relative to `/`; a value that starts with `-> ` is a link). */
export async function makeArchive(
  folder: string,
  name: string,
  files: Readonly<Record<string, string>>,
): Promise<SampleArchive> {
  const root = join(folder, `${name}-root`);
  const control = `Package: ${name}\nVersion: 1.0-1\nArchitecture: amd64\nMaintainer: Nobody <nobody@example.com>\nDescription: a sample\n`;
  for (const [path, content] of Object.entries({ ...files, 'DEBIAN/control': control })) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    if (content.startsWith('-> ')) await symlink(content.slice(3), join(root, path));
    else await writeFile(join(root, path), content);
  }
  const file = join(folder, `${name}.deb`);
  await execa('dpkg-deb', ['--root-owner-group', '--build', root, file]);
  const sha256 = createHash('sha256')
    .update(await readFile(file))
    .digest('hex');
  return { name, version: '1.0-1', architecture: 'amd64', path: `pool/${name}.deb`, sha256, file };
}

/** Serves archives built here. */
export function serveArchives(...archives: readonly SampleArchive[]): FetchArchive {
  return async ({ name }, target) => {
    const found = archives.find((archive) => archive.name === name);
    if (found === undefined) throw new Error(`${name}: not served`);
    await copyFile(found.file, target);
  };
}
