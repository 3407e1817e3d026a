import { lstat, readlink } from 'node:fs/promises';
import { join } from 'node:path';

const MOST_LINKS = 40;

/**
 * Where an absolute path of another root file system really is: links are followed as if `root` were `/`, and
 * never lead out of it. Undefined where there is no such file.
 */
export async function resolveInRoot(root: string, path: string): Promise<string | undefined> {
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
    const candidate = join(root, ...resolved, part);
    const found = await lstat(candidate).catch(() => undefined);
    if (found === undefined) return undefined;
    if (!found.isSymbolicLink()) {
      resolved.push(part);
      continue;
    }
    links += 1;
    if (links > MOST_LINKS) return undefined;
    const target = await readlink(candidate);
    if (target.startsWith('/')) resolved.length = 0;
    waiting.push(...parts(target).reverse());
  }
  return join(root, ...resolved);
}

function parts(path: string): string[] {
  return path.split('/').filter((part) => part !== '');
}
