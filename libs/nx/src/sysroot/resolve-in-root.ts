import { lstat, readlink } from 'node:fs/promises';
import { join } from 'node:path';

const MAX_LINKS = 40;

/** Reports what is at an absolute path in a root file system: nothing, a link with its target, or something else. */
export type LookAt = (path: string) => Promise<'absent' | 'present' | { readonly link: string }>;

/**
 * Resolves links in an absolute path inside another root file system, as if its root were `/`, and never leaves it.
 * Returns an absolute path inside it; undefined if nothing is there.
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

/** Resolves a path inside a root file system on disk to the real file below `root`. Undefined if there is none. */
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
