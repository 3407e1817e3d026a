import { ElfError } from './errors.ts';
import { Fields } from './fields.ts';
import { type ElfIdentity, IDENTITY_BYTES, readElfIdentity } from './identity.ts';
import type { ByteSource } from './source.ts';

/** Reads parts of an ELF file after checking that they are inside it, and keeps none of them. */
export class Reader {
  readonly identity: ElfIdentity;
  readonly #source: ByteSource;

  private constructor(source: ByteSource, identity: ElfIdentity) {
    this.#source = source;
    this.identity = identity;
  }

  /** Creates a reader that knows the file's class and byte order. Throws `NOT_ELF` or `MALFORMED`. */
  static async of(source: ByteSource): Promise<Reader> {
    const head = await source.read(0, Math.min(IDENTITY_BYTES, source.size));
    return new Reader(source, readElfIdentity(head, source.name));
  }

  /**
   * The fields in a range. Throws `TRUNCATED`, naming what was to be read, if the range is not entirely inside the
   * file.
   */
  async fields(offset: number, length: number, what: string): Promise<Fields> {
    const { name, size } = this.#source;
    if (!Number.isSafeInteger(offset) || offset < 0 || length < 0 || offset + length > size) {
      throw new ElfError(
        'TRUNCATED',
        `${name}: ${what} (${length} bytes at ${offset}) is outside the file of ${size} bytes`,
      );
    }
    return new Fields(await this.#source.read(offset, length), this.identity);
  }

  /** An error that names the file. */
  malformed(what: string, cause?: unknown): ElfError {
    return new ElfError('MALFORMED', `${this.#source.name}: ${what}`, { cause });
  }
}
