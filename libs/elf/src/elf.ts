import { type ElfAbi, readAbi } from './abi.ts';
import { type DynamicFacts, readDynamic } from './dynamic.ts';
import { readHeader } from './header.ts';
import type { ElfIdentity } from './identity.ts';
import { type ElfNote, readNotes } from './notes.ts';
import { Reader } from './reader.ts';
import { readInterpreter, readSegments } from './segments.ts';
import { type ByteSource, withFileSource } from './source.ts';

/** The facts in an ELF file. https://refspecs.linuxfoundation.org/elf/gabi4+/contents.html */
export interface ElfFacts extends ElfIdentity, DynamicFacts {
  readonly abi: ElfAbi;
  /** PT_INTERP: the dynamic loader; null for a static executable and most libraries. */
  readonly interpreter: string | null;
  /** PT_GNU_STACK: whether the stack is executable; null without that header, in which case the kernel decides. */
  readonly executableStack: boolean | null;
  /** PT_NOTE: the build ID, the oldest supported kernel, and so on. */
  readonly notes: readonly ElfNote[];
  /** True if there is no interpreter and nothing is needed. */
  readonly static: boolean;
}

/** Reads the facts in an ELF file. Throws `ElfError`, also for anything but a regular file, and file system errors. */
export function openElf(path: string): Promise<ElfFacts> {
  return withFileSource(path, readElf);
}

/**
 * Reads the facts in an ELF file of either class and byte order, from its headers, dynamic segment and notes, and for
 * arm also from the attributes section (section headers may be stripped). Reads a bounded part of the file, whatever
 * its content. Throws `NOT_ELF`, `TRUNCATED` or `MALFORMED`.
 */
export async function readElf(source: ByteSource): Promise<ElfFacts> {
  const reader = await Reader.of(source);
  const header = await readHeader(reader);
  const segments = await readSegments(reader, header.programHeaders);
  const interpreter = await readInterpreter(reader, segments.interpreter);
  const dynamic = await readDynamic(reader, segments);
  return {
    ...reader.identity,
    abi: await readAbi(reader, header),
    interpreter,
    ...dynamic,
    executableStack: segments.stack?.executable ?? null,
    notes: await readNotes(reader, segments.notes),
    static: interpreter === null && dynamic.needed.length === 0,
  };
}
