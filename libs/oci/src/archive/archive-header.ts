import { OciError } from '../errors.ts';
import { REFUSED_TYPES } from '../layer/tar-decoder.ts';
import { BLOCK } from '../layer/tar-header.ts';
import type { ArchiveEntryType } from './archive-entry.ts';

/** A decoded header block of an archive. Devices and FIFOs are not told apart. */
export type ArchiveHeader =
  | {
      readonly kind: 'entry';
      readonly type: ArchiveEntryType;
      readonly name: string;
      readonly target: string;
      readonly mode: number;
      readonly uid: number;
      readonly gid: number;
      readonly size: number;
      readonly mtime: number;
    }
  | { readonly kind: 'special'; readonly name: string }
  /** What comes before an entry, or (`global`) before all entries that follow, and its size in bytes. */
  | {
      readonly kind: 'records' | 'global' | 'long name' | 'long target';
      readonly name: string;
      readonly size: number;
    };

const TYPES: Readonly<Record<string, ArchiveEntryType>> = {
  '\0': 'file',
  '0': 'file',
  '1': 'link',
  '2': 'symlink',
  '5': 'directory',
};
const EXTENSIONS = { x: 'records', g: 'global', L: 'long name', K: 'long target' } as const;
const SPECIAL = '346';

/** Whether a block is a tar header, judging by its checksum: BuildKit copies anything else as it is. */
export function isArchiveHeader(block: Buffer): boolean {
  if (block.length < BLOCK) return false;
  const told = /^[ \0]*([0-7]+)[ \0]*$/.exec(block.toString('latin1', 148, 156))?.[1];
  if (told === undefined) return false;
  const { unsigned, signed } = checksums(block);
  return [unsigned, signed].includes(Number.parseInt(told, 8));
}

/**
 * Decodes a POSIX (ustar, pax) or GNU tar header block, supporting only what Go's archive/tar, and therefore BuildKit,
 * reads the same way as other readers. Throws `INVALID_ARCHIVE` for a wrong checksum, an older format, GNU's sparse and
 * incremental formats, numbers that are not octal digits (GNU's base-256 numbers up to 2^53 are accepted), and names
 * that are not UTF-8.
 * https://www.gnu.org/software/tar/manual/html_node/Standard.html
 */
export function decodeArchiveHeader(block: Buffer): ArchiveHeader {
  if (checksums(block).unsigned !== number(block, 148, 8, false))
    throw invalid('a header with a wrong checksum');
  const magic = block.toString('latin1', 257, 265);
  const isGnu = magic === 'ustar  \0';
  if (!isGnu && magic !== 'ustar\x0000') {
    throw invalid('a header that is neither POSIX nor GNU tar', REPACK);
  }
  const short = text(block, 0, 100);
  const prefix = isGnu ? '' : text(block, 345, 155);
  const name = prefix === '' ? short : `${prefix}/${short}`;
  if (block.subarray(isGnu ? 345 : 500).some((byte) => byte !== 0)) {
    throw invalid(
      `${JSON.stringify(name)}: a header with more fields than POSIX or plain GNU tar has`,
      REPACK,
    );
  }
  const flag = block.toString('latin1', 156, 157);
  // Readers refuse anything but a number in these fields, whatever the entry.
  const [mode = 0, uid = 0, gid = 0] = [100, 108, 116, 329, 337].map((at) => number(block, at, 8, isGnu));
  const [size = 0, mtime = 0] = [124, 136].map((at) => number(block, at, 12, isGnu));
  const extension = EXTENSIONS[flag as keyof typeof EXTENSIONS];
  if (extension !== undefined) return { kind: extension, name, size };
  if (SPECIAL.includes(flag)) return { kind: 'special', name };
  const type = TYPES[flag];
  if (type === undefined) {
    const found = REFUSED_TYPES[flag] ?? `the type ${JSON.stringify(flag)}`;
    throw invalid(`${JSON.stringify(name)}: expected a file, folder or link, found ${found}`, REPACK);
  }
  if (type !== 'file' && size !== 0) {
    throw invalid(`${JSON.stringify(name)}: a ${type} with ${size} bytes, which some readers skip`);
  }
  return {
    kind: 'entry',
    type,
    name,
    target: text(block, 157, 100),
    mode: mode & 0o7777,
    uid,
    gid,
    size,
    mtime,
  };
}

const REPACK = 'Pack it again, for example with GNU tar: tar --format=gnu -c';

/** Decodes text in an archive. Throws `INVALID_ARCHIVE` if it is not UTF-8. */
export function archiveText(bytes: Buffer): string {
  const found = bytes.toString('utf8');
  if (!found.includes('\ufffd')) return found;
  throw invalid(`${JSON.stringify(found.slice(0, 80))}: a name that is not UTF-8`);
}

/** The error for a refused archive. */
export function invalid(problem: string, hint?: string): OciError {
  return new OciError('INVALID_ARCHIVE', `archive: ${problem}`, { hint });
}

function checksums(block: Buffer): { readonly unsigned: number; readonly signed: number } {
  let [unsigned, signed] = [8 * 32, 8 * 32];
  for (const [index, byte] of block.entries()) {
    if (index >= 148 && index < 156) continue;
    unsigned += byte;
    signed += byte < 128 ? byte : byte - 256;
  }
  return { unsigned, signed };
}

function text(block: Buffer, offset: number, size: number): string {
  const field = block.subarray(offset, offset + size);
  const end = field.indexOf(0);
  return archiveText(end < 0 ? field : field.subarray(0, end));
}

function number(block: Buffer, offset: number, size: number, isGnu: boolean): number {
  const field = block.subarray(offset, offset + size);
  if (isGnu && field[0] === 0x80) {
    const found = BigInt(`0x${field.subarray(1).toString('hex')}`);
    if (found <= BigInt(Number.MAX_SAFE_INTEGER)) return Number(found);
    throw invalid('a header with a number that is out of range');
  }
  const digits = /^[ \0]*([0-7]*)[ \0]*$/.exec(field.toString('latin1'))?.[1];
  if (digits !== undefined) return digits === '' ? 0 : Number.parseInt(digits, 8);
  throw invalid(`a header with a number that is not octal: ${JSON.stringify(field.toString('latin1'))}`);
}
