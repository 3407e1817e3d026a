import { OciError } from '../errors.ts';

/** The fields of a tar header as they stand there. */
export interface RawHeader {
  readonly name: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly mtime: number;
  readonly flag: string;
  readonly target: string;
}

/**
 * The fields of a USTAR header block. Throws `INVALID_LAYER` for a wrong checksum or number.
 * https://pubs.opengroup.org/onlinepubs/9699919799/utilities/pax.html#tag_20_92_13_06
 */
export function decodeHeader(block: Buffer): RawHeader {
  const expected = octal(block, 148, 8);
  let sum = 8 * 32;
  for (const [index, byte] of block.entries()) if (index < 148 || index >= 156) sum += byte;
  if (sum !== expected) {
    throw new OciError('INVALID_LAYER', `layer: header with the checksum ${expected}, found ${sum}`);
  }
  const prefix = block.toString('latin1', 257, 262) === 'ustar' ? text(block, 345, 155) : '';
  const name = text(block, 0, 100);
  return {
    name: prefix === '' ? name : `${prefix}/${name}`,
    mode: octal(block, 100, 8),
    uid: octal(block, 108, 8),
    gid: octal(block, 116, 8),
    size: octal(block, 124, 12),
    mtime: octal(block, 136, 12),
    flag: block.toString('latin1', 156, 157),
    target: text(block, 157, 100),
  };
}

/** The records of a PAX header. Throws `INVALID_LAYER` where they are not of the form `length key=value`. */
export function decodePaxRecords(data: Buffer): ReadonlyMap<string, string> {
  const records = new Map<string, string>();
  let offset = 0;
  while (offset < data.length) {
    const space = data.indexOf(' ', offset);
    const digits = space < 0 || space - offset > 9 ? '' : data.toString('latin1', offset, space);
    const end = offset + Number(digits);
    const record = /^\d+$/.test(digits) && end <= data.length ? data.toString('utf8', space + 1, end) : '';
    const equals = record.indexOf('=');
    if (equals < 1 || !record.endsWith('\n')) {
      throw new OciError('INVALID_LAYER', 'layer: PAX records that are not of the form "length key=value"');
    }
    records.set(record.slice(0, equals), record.slice(equals + 1, -1));
    offset = end;
  }
  return records;
}

function text(block: Buffer, offset: number, size: number): string {
  const end = block.subarray(offset, offset + size).indexOf(0);
  return block.toString('utf8', offset, offset + (end < 0 ? size : end));
}

function octal(block: Buffer, offset: number, size: number): number {
  const digits = text(block, offset, size).trim();
  if (/^[0-7]*$/.test(digits)) return digits === '' ? 0 : Number.parseInt(digits, 8);
  throw new OciError(
    'INVALID_LAYER',
    `layer: header with a number that is not octal: ${JSON.stringify(digits)}`,
  );
}
