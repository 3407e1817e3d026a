import { zstdCompressSync } from 'node:zlib';

/** The fields of a tar header that a forger sets, written as given. The checksum is computed. */
export interface ForgedHeader {
  readonly name: string | Buffer;
  /** Defaults to `0`. */
  readonly flag?: string;
  /** Octal digits or raw bytes, at most the width of the field. */
  readonly mode?: string | Buffer;
  readonly uid?: string | Buffer;
  readonly gid?: string | Buffer;
  readonly size?: string | Buffer;
  readonly mtime?: string | Buffer;
  readonly target?: string;
  /** The magic and version; defaults to USTAR's. */
  readonly magic?: string;
  readonly uname?: string;
  readonly prefix?: string;
  /** Bytes that overwrite the header at an offset, before the checksum is computed. */
  readonly over?: readonly (readonly [offset: number, bytes: string | Buffer])[];
}

const BLOCK = 512;

/** The end of an archive: two blocks of zeros. */
export const TAR_END = Buffer.alloc(2 * BLOCK);

/**
 * Makes one tar header with any fields that a forger wants.
 * https://pubs.opengroup.org/onlinepubs/9699919799/utilities/pax.html#tag_20_92_13_06
 */
export function forgedHeader(header: ForgedHeader): Buffer {
  const block = Buffer.alloc(BLOCK);
  const put = (value: string | Buffer, offset: number): void => {
    Buffer.from(value).copy(block, offset);
  };
  const { flag = '0', magic = 'ustar\x0000' } = header;
  put(header.name, 0);
  put(header.mode ?? '0000755\0', 100);
  put(header.uid ?? '0000000\0', 108);
  put(header.gid ?? '0000000\0', 116);
  put(header.size ?? '00000000000\0', 124);
  put(header.mtime ?? '14524770400\0', 136);
  put(flag, 156);
  put(header.target ?? '', 157);
  put(magic, 257);
  put(header.uname ?? '', 265);
  put('0000000\0', 329);
  put('0000000\0', 337);
  put(header.prefix ?? '', 345);
  for (const [offset, bytes] of header.over ?? []) put(bytes, offset);
  block.fill(' ', 148, 156);
  const sum = block.reduce((total, byte) => total + byte, 0);
  put(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return block;
}

/** A header followed by its content, padded to whole blocks. The size defaults to that of the content. */
export function forgedEntry(header: ForgedHeader, content: string | Buffer = ''): Buffer {
  const bytes = Buffer.from(content);
  const size = header.size ?? `${bytes.length.toString(8).padStart(11, '0')}\0`;
  return Buffer.concat([
    forgedHeader({ ...header, size }),
    bytes,
    Buffer.alloc((BLOCK - (bytes.length % BLOCK)) % BLOCK),
  ]);
}

/** PAX records, in order, for the next entry, which is in the root; with the flag `g`, for all following entries. */
export function forgedRecords(
  records: readonly (readonly [key: string, value: string])[],
  flag = 'x',
  entry = 'app',
): Buffer {
  const data = Buffer.concat(records.map(([key, value]) => record(key, value)));
  // Like Go, which writes no device numbers here.
  const over = [[329, Buffer.alloc(16)]] as const;
  const more = { mode: '0000000\0', mtime: '00000000000\0', over };
  return forgedEntry({ name: `PaxHeaders.0/${entry}`, flag, ...more }, data);
}

/** A frame that zstd decoders skip. https://www.rfc-editor.org/rfc/rfc8878#section-3.1.2 */
export function skippableFrame(content: string | Buffer): Buffer {
  const bytes = Buffer.from(content);
  const head = Buffer.alloc(8);
  head.writeUInt32LE(0x184d2a50, 0);
  head.writeUInt32LE(bytes.length, 4);
  return Buffer.concat([head, bytes]);
}

/** Compresses bytes into one zstd frame. */
export function zstdFrame(content: Buffer): Buffer {
  return zstdCompressSync(content);
}

function record(key: string, value: string): Buffer {
  const rest = Buffer.byteLength(` ${key}=${value}\n`);
  let length = rest + 1;
  while (String(length).length + rest !== length) length++;
  return Buffer.from(`${length} ${key}=${value}\n`);
}
