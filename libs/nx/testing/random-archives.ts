import { forgedEntry, TAR_END } from '@prebuilt/testing/layers';
import fc from 'fast-check';

/** A random entry. What it becomes depends on the preceding ones. */
interface Drawn {
  readonly folders: readonly string[];
  readonly name: string;
  readonly content: string;
  readonly mode: string;
  readonly uid: string;
  readonly gid: string;
  readonly mtime: string;
  readonly target: string;
  /** For a hard link, the index of the earlier file. */
  readonly linked: number;
}

const FOLDERS = ['lib', 'a-b', 'opt'];
const drawn: fc.Arbitrary<Drawn> = fc.record({
  folders: fc.array(fc.constantFrom(...FOLDERS), { maxLength: 2 }),
  // A name implies the kind (folder, link or file), so that archives rarely conflict.
  name: fc.constantFrom(...FOLDERS, 'symlink', 'link', 'link2', 'file', 'file2', 'é'),
  content: fc.constantFrom('', '1', '22'),
  mode: fc.constantFrom('0000644\0', '0004711\0', '0000700\0'),
  uid: fc.constantFrom('0000000\0', '0000005\0'),
  gid: fc.constantFrom('0000000\0', '0000006\0'),
  // In 1970, 2020, 2022 and 2096.
  mtime: fc.constantFrom('00000000000\0', '13727410000\0', '14226171200\0', '35632406400\0'),
  target: fc.constantFrom('file', '/opt', 'lib/file2', './nowhere'),
  linked: fc.nat(100),
});

/** A tar file with a few entries in any order: implied folders, symbolic and hard links, owners and times. */
export const anArchive: fc.Arbitrary<Buffer> = fc.array(drawn, { minLength: 1, maxLength: 8 }).map(tarOf);

function tarOf(entries: readonly Drawn[]): Buffer {
  const files = new Map<string, Pick<Drawn, 'mode' | 'uid' | 'gid' | 'mtime'>>();
  const names = new Set<string>();
  const parts: Buffer[] = [];
  for (const { folders, name, content, target, linked, mode, uid, gid, mtime } of entries) {
    const path = [...folders, name].join('/');
    if (names.has(path)) continue;
    names.add(path);
    const metadata = { mode, uid, gid, mtime };
    const [source, same] = [...files][linked % Math.max(files.size, 1)] ?? [];
    if (FOLDERS.includes(name)) parts.push(forgedEntry({ name: `${path}/`, flag: '5', ...metadata }));
    else if (name === 'symlink') parts.push(forgedEntry({ name: path, flag: '2', target, ...metadata }));
    else if (name.startsWith('link') && source !== undefined)
      parts.push(forgedEntry({ name: path, flag: '1', target: source, ...same }));
    else {
      files.set(path, metadata);
      parts.push(forgedEntry({ name: path, ...metadata }, content));
    }
  }
  return Buffer.concat([...parts, TAR_END]);
}
