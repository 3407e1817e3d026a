import { ElfError } from './errors.ts';
import { machineName } from './machine.ts';

/** The facts in the first 20 bytes of an ELF file. https://refspecs.linuxfoundation.org/elf/gabi4+/ch4.eheader.html */
export interface ElfIdentity {
  readonly class: 32 | 64;
  readonly byteOrder: 'little' | 'big';
  /** `exec`, `dyn` (shared libraries and position-independent executables), `rel`, `core` or `ET_<number>`. */
  readonly type: string;
  /** `x86_64`, `aarch64`, … or `EM_<number>`. */
  readonly machine: string;
}

/** The number of bytes that `readElfIdentity` needs. */
export const IDENTITY_BYTES = 20;

const TYPES: Readonly<Record<number, string>> = { 1: 'rel', 2: 'exec', 3: 'dyn', 4: 'core' };

/**
 * Reads the class, byte order, type and machine from the first bytes of a file. Throws `NOT_ELF` or `MALFORMED`; `name`
 * is the file's name in the message.
 */
export function readElfIdentity(bytes: Uint8Array, name: string): ElfIdentity {
  const view = new DataView(bytes.buffer, bytes.byteOffset, Math.min(bytes.byteLength, IDENTITY_BYTES));
  if (view.byteLength < IDENTITY_BYTES || view.getUint32(0) !== 0x7f454c46) {
    throw new ElfError('NOT_ELF', `${name}: expected an ELF file, found ${found(view)}`);
  }
  const fileClass = view.getUint8(4);
  const order = view.getUint8(5);
  if ((fileClass !== 1 && fileClass !== 2) || (order !== 1 && order !== 2)) {
    throw new ElfError('MALFORMED', `${name}: ELF class ${fileClass} and byte order ${order} do not exist`);
  }
  const type = view.getUint16(16, order === 1);
  return {
    class: fileClass === 2 ? 64 : 32,
    byteOrder: order === 1 ? 'little' : 'big',
    type: TYPES[type] ?? `ET_${type}`,
    machine: machineName(view.getUint16(18, order === 1)),
  };
}

function found(view: DataView): string {
  const bytes = Array.from({ length: Math.min(4, view.byteLength) }, (_, index) =>
    view.getUint8(index).toString(16).padStart(2, '0'),
  );
  return bytes.length === 0
    ? 'an empty file'
    : `${view.byteLength < IDENTITY_BYTES ? 'a short file' : 'a file'} that starts with ${bytes.join(' ')}`;
}
