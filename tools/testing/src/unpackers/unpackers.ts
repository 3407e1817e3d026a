import { createHash } from 'node:crypto';
import { lstat, readFile, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { type SkipTest, skipOutsideCi } from '../test-needs.ts';

let missing: Promise<string | undefined> | undefined;

/**
 * For a `beforeEach(({ skip }) => …)`: skips with the reason, or fails in CI, if this machine lacks umoci, skopeo or
 * getcap, or if the user is not root, which unpacking owners, devices and extended attributes requires.
 */
export async function requireUnpackers(skip: SkipTest): Promise<void> {
  missing ??= whatIsMissing();
  const reason = await missing;
  if (reason !== undefined) skipOutsideCi(reason, skip);
}

async function whatIsMissing(): Promise<string | undefined> {
  for (const [program, argument] of [
    ['umoci', '--version'],
    ['skopeo', '--version'],
    ['getcap', '/'],
  ] as const) {
    const { failed } = await execa(program, [argument], { reject: false });
    if (failed) return `${program} is missing`;
  }
  return process.getuid?.() === 0 ? undefined : 'unpacking owners and attributes needs root';
}

/** Unpacks the image `tag` of a layout into a new folder `bundle`. Returns false if umoci refuses it. */
export async function umociUnpack(layout: string, tag: string, bundle: string): Promise<boolean> {
  const args = ['--log=error', 'unpack', '--image', `${layout}:${tag}`, bundle];
  return !(await execa('umoci', args, { reject: false })).failed;
}

/** Copies the image `tag` of a layout into a new layout, under the same tag. Throws if skopeo refuses it. */
export async function skopeoCopy(layout: string, tag: string, target: string): Promise<void> {
  await execa('skopeo', ['copy', '--quiet', `oci:${layout}:${tag}`, `oci:${target}:${tag}`]);
}

/**
 * Describes the paths in `root`, one line each: mode in octal with the type, owner, link count, time in ms, the SHA-256
 * of a file's content or the target of a link, and whether it has a capability.
 */
export async function describeUnpacked(root: string, paths: readonly string[]): Promise<readonly string[]> {
  const { stdout } = await execa('getcap', ['-r', root]);
  const capable = new Set(stdout.split('\n').map((line) => line.split(' ')[0]));
  return Promise.all(
    paths.map(async (path) => {
      const absolute = join(root, path);
      const found = await lstat(absolute).catch(() => undefined);
      if (found === undefined) return `${path} is missing`;
      const content = found.isFile()
        ? createHash('sha256')
            .update(await readFile(absolute))
            .digest('hex')
        : found.isSymbolicLink()
          ? await readlink(absolute)
          : 'no file';
      const capability = capable.has(absolute) ? 'capability' : 'no capability';
      const [mode, owner] = [found.mode.toString(8), `${found.uid}:${found.gid}`];
      return [path, mode, owner, found.nlink, found.mtimeMs, content, capability].join(' ');
    }),
  );
}
