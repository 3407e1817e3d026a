import type { Fields } from './fields.ts';
import type { Reader } from './reader.ts';
import type { Segment } from './segments.ts';
import { textAt } from './text.ts';

/** A note in a PT_NOTE segment. https://refspecs.linuxfoundation.org/elf/gabi4+/ch5.pheader.html#note_section */
export interface ElfNote {
  /** Who defined the type: `GNU`, `Go`, … */
  readonly owner: string;
  /** The type that the owner defined: for `GNU`, 1 is the oldest kernel, 3 the build ID, 5 the properties. */
  readonly type: number;
  /** In hexadecimal. */
  readonly description: string;
}

// Far more than executables have; the notes in a core file may be larger.
const MAX_NOTE_BYTES = 1024 * 1024;

const NOTE_HEADER_BYTES = 12;

/** Reads all notes, in file order. Throws `TRUNCATED` or `MALFORMED`. */
export async function readNotes(reader: Reader, segments: readonly Segment[]): Promise<readonly ElfNote[]> {
  const total = segments.reduce((sum, { fileSize }) => sum + fileSize, 0);
  if (total > MAX_NOTE_BYTES)
    throw reader.malformed(`${total} bytes of notes are more than ${MAX_NOTE_BYTES}`);
  const notes: ElfNote[] = [];
  for (const { offset, fileSize, alignment } of segments) {
    const fields = await reader.fields(offset, fileSize, 'the notes');
    notes.push(...notesOf(reader, fields, alignment));
  }
  return notes;
}

// The words in the header have 4 bytes in both classes. Names and descriptions are padded to 4 bytes, or to 8 if the
// segment has that alignment. https://github.com/hjl-tools/linux-abi
function* notesOf(reader: Reader, fields: Fields, alignment: number): Generator<ElfNote> {
  const padding = alignment === 8 ? 8 : 4;
  const padded = (length: number): number => Math.ceil(length / padding) * padding;
  for (let at = 0; at + NOTE_HEADER_BYTES <= fields.length; ) {
    const nameSize = fields.u32(at);
    const size = fields.u32(at + 4);
    const start = at + padded(NOTE_HEADER_BYTES + nameSize);
    if (start + size > fields.length) throw reader.malformed('a note is longer than its segment');
    const name = fields.bytes.subarray(at + NOTE_HEADER_BYTES, at + NOTE_HEADER_BYTES + nameSize);
    yield {
      owner: nameSize === 0 ? '' : textAt(reader, name, 0, "a note's owner"),
      type: fields.u32(at + 8),
      description: Buffer.from(fields.bytes.subarray(start, start + size)).toString('hex'),
    };
    at = start + padded(size);
  }
}
