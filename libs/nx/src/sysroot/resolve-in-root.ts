import { lstat, readlink } from 'node:fs/promises';
import { join } from 'node:path';

const MAX_LINKS = 40;

/** What is at an absolute path of a root file system: nothing, a link's target, or something else. */
export type LookAt = (path: string) => Promise<'absent' | 'present' | { readonly link: string }>;

/**
 * Where an absolute path of another root file system really is, as an absolute path inside it: links are followed as
 * if its root were `/`, and never lead out of it. Undefined where there is nothing.
 */
export async function resolveLinks(path: string, lookAt: LookAt): Promise<string | undefined> {
  const waiting = parts(path).reverse();
  const resolved: string[] = [];
  let links = 0;
  while (waiting.length > 0) {
    const part = waiting.pop();
    if (part === undefined || part === '.') continue;
    if (part === '..') {
      resolved.pop();
      continue;
    }
    const found = await lookAt(`/${[...resolved, part].join('/')}`);
    if (found === 'absent') return undefined;
    if (found === 'present') {
      resolved.push(part);
      continue;
    }
    links += 1;
    if (links > MAX_LINKS) return undefined;
    if (found.link.startsWith('/')) resolved.length = 0;
    waiting.push(...parts(found.link).reverse());
  }
  return `/${resolved.join('/')}`;
}

/** The same for a root file system on disk: the real file, below `root`. Undefined where there is none. */
export async function resolveInRoot(root: string, path: string): Promise<string | undefined> {
  const found = await resolveLinks(path, async (inner) => {
    const candidate = join(root, inner);
    const stat = await lstat(candidate).catch(() => undefined);
    if (stat === undefined) return 'absent';
    return stat.isSymbolicLink() ? { link: await readlink(candidate) } : 'present';
  });
  return found === undefined ? undefined : join(root, found);
}

function parts(path: string): string[] {
  return path.split('/').filter((part) => part !== '');
}
