import type { ReadEntry } from '../layer/layer-reader.ts';
import type { EntryType } from '../layer/tar-header.ts';
import type { Difference } from './difference.ts';

const NAMES: Readonly<Record<EntryType, string>> = {
  file: 'a file',
  directory: 'a directory',
  symlink: 'a symlink',
  link: 'a hard link',
  special: 'a device or FIFO',
};

/**
 * The differences between the entries of a layer (whose index starts at 0) and the planned ones: a path that only one
 * side has, and for every other path its type, mode, owner, time, link target, size and content.
 */
export function compareLayer(
  expected: readonly ReadEntry[],
  found: readonly ReadEntry[],
  index: number,
): readonly Difference[] {
  const wanted = new Map(expected.map((entry) => [entry.path, entry] as const));
  const present = new Map(found.map((entry) => [entry.path, entry] as const));
  return [...new Set([...wanted.keys(), ...present.keys()])].flatMap((path) =>
    compareEntry(`layer ${index + 1}: /${path}`, wanted.get(path), present.get(path)),
  );
}

function compareEntry(
  where: string,
  wanted: ReadEntry | undefined,
  found: ReadEntry | undefined,
): readonly Difference[] {
  const types = [wanted, found].map((entry) => (entry === undefined ? 'nothing' : NAMES[entry.type]));
  const facts = [
    types,
    ...(types[0] === types[1] && wanted !== undefined && found !== undefined
      ? factsOf(wanted).map((fact, at) => [fact, factsOf(found)[at]])
      : []),
  ];
  return facts.flatMap(([expected = '', have = '']) =>
    expected === have ? [] : [{ where, expected, found: have }],
  );
}

function factsOf({ mode, uid, gid, mtime, target, size, sha256 }: ReadEntry): readonly string[] {
  return [
    `mode ${mode.toString(8).padStart(4, '0')}`,
    `owner ${uid}:${gid}`,
    `time ${mtime}`,
    `target ${JSON.stringify(target ?? '')}`,
    `${size} bytes`,
    `SHA-256 ${sha256 ?? 'none'}`,
  ];
}
