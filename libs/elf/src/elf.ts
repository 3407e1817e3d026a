import { NO_DYNAMIC, readDynamic } from './dynamic.ts';
import { ElfError } from './errors.ts';
import { machineName } from './machine.ts';
import { Reader } from './reader.ts';
import { executableStackOf, readInterpreter, readSegments } from './segments.ts';
import { type ByteSource, withFileSource } from './source.ts';

/** What an ELF file says of itself. https://refspecs.linuxfoundation.org/elf/gabi4+/contents.html */
export interface ElfFacts {
  readonly class: 32 | 64;
  readonly byteOrder: 'little' | 'big';
  /** `exec`, `dyn` (shared libraries and position-independent executables), `rel`, `core` or `ET_<number>`. */
  readonly type: string;
  /** `x86_64`, `aarch64`, … or `EM_<number>`. */
  readonly machine: string;
  /** PT_INTERP: the dynamic loader; null for a static executable and most libraries. */
  readonly interpreter: string | null;
  /** DT_NEEDED, in the file's order. */
  readonly needed: readonly string[];
  readonly soname: string | null;
  readonly rpath: string | null;
  readonly runpath: string | null;
  /** PT_GNU_STACK: whether the stack is executable; null where the header is absent, and the kernel decides. */
  readonly executableStack: boolean | null;
  /** DT_VERNEED: for each library the symbol versions wanted of it, sorted. */
  readonly versionNeeds: Readonly<Record<string, readonly string[]>>;
  /** DT_VERDEF: the symbol versions that the file provides, sorted; without its own name. */
  readonly versionDefinitions: readonly string[];
  /** No interpreter, nothing needed. */
  readonly static: boolean;
}

const TYPES: Readonly<Record<number, string>> = { 1: 'rel', 2: 'exec', 3: 'dyn', 4: 'core' };

/** Reads the facts of an ELF file. Throws `ElfError`, also for what is no regular file; other errors are the file system's. */
export function openElf(path: string): Promise<ElfFacts> {
  return withFileSource(path, readElf);
}

/** What the first 20 bytes of an ELF file tell. */
export type ElfIdentity = Pick<ElfFacts, 'class' | 'byteOrder' | 'type' | 'machine'>;

/** How many bytes `readElfIdentity` needs. */
export const IDENTITY_BYTES = 20;

/**
 * Reads class, byte order, type and machine from the first bytes of a file. Throws `NOT_ELF` or `MALFORMED`; `name`
 * is what the message calls the file.
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

/**
 * Reads the facts of an ELF file from its headers and its dynamic segment (section headers may be stripped).
 * The files of other than 64-bit little-endian machines are told by class, byte order, type and machine, and the
 * rest of their facts is empty. Reads a bounded part of the file, whatever its content. Throws `NOT_ELF`,
 * `TRUNCATED` or `MALFORMED`.
 */
export async function readElf(source: ByteSource): Promise<ElfFacts> {
  const reader = new Reader(source);
  const head = readElfIdentity(await source.read(0, Math.min(IDENTITY_BYTES, source.size)), source.name);
  if (head.class !== 64 || head.byteOrder !== 'little') return { ...head, ...NOTHING };
  const segments = await readSegments(reader);
  const interpreter = await readInterpreter(reader, segments.interpreter);
  const dynamic = await readDynamic(reader, segments);
  return {
    ...head,
    interpreter,
    ...dynamic,
    executableStack: executableStackOf(segments.stack),
    static: interpreter === null && dynamic.needed.length === 0,
  };
}

const NOTHING = { ...NO_DYNAMIC, interpreter: null, executableStack: null, static: false } as const;

function found(view: DataView): string {
  const bytes = Array.from({ length: Math.min(4, view.byteLength) }, (_, index) =>
    view.getUint8(index).toString(16).padStart(2, '0'),
  );
  return bytes.length === 0
    ? 'an empty file'
    : `${view.byteLength < 20 ? 'a short file' : 'a file'} that starts ${bytes.join(' ')}`;
}
