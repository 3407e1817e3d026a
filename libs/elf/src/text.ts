import type { Reader } from './reader.ts';

const MAX_NAME_BYTES = 4096;

const UTF_8 = new TextDecoder();

/**
 * The string at an offset in a table, which must end with a zero byte at most 4096 bytes away; otherwise throws
 * `MALFORMED`.
 */
export function textAt(reader: Reader, table: Uint8Array, offset: number, what: string): string {
  const end = table.subarray(0, offset + MAX_NAME_BYTES).indexOf(0, offset);
  if (offset >= table.length || end < 0)
    throw reader.malformed(`${what} is not a terminated string in its table`);
  return UTF_8.decode(table.subarray(offset, end));
}
