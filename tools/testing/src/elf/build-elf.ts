interface Wanted {
  readonly type?: 'exec' | 'dyn';
  readonly machine: 'x86_64' | 'aarch64';
  readonly interpreter?: string | null;
  readonly needed?: readonly string[];
  readonly soname?: string | null;
  readonly rpath?: string | null;
  readonly runpath?: string | null;
  readonly executableStack?: boolean | null;
  readonly versionNeeds?: Readonly<Record<string, readonly string[]>>;
  readonly versionDefinitions?: readonly string[];
}

const HEADER = 64;
const PROGRAM_HEADER = 56;
const MACHINES = { x86_64: 62, aarch64: 183 };
// The loaded segment's address differs from its offset, as in real files.
const BASE = 0x400000;

/**
 * The bytes of a small 64-bit little-endian ELF file with the given facts and no code: one loaded segment that
 * covers the whole file, and PT_INTERP, PT_DYNAMIC and PT_GNU_STACK where the facts want them.
 * https://refspecs.linuxfoundation.org/elf/gabi4+/contents.html
 */
export function buildElf(wanted: Wanted): Buffer {
  const strings = new StringTable();
  const sections: { readonly name: string; readonly bytes: Buffer }[] = [];
  if (wanted.interpreter) sections.push({ name: 'interp', bytes: Buffer.from(`${wanted.interpreter}\0`) });
  const needs = versionNeeds(wanted.versionNeeds ?? {}, strings);
  const definitions = versionDefinitions(wanted.versionDefinitions ?? [], strings);
  if (needs.length > 0) sections.push({ name: 'verneed', bytes: needs });
  if (definitions.length > 0) sections.push({ name: 'verdef', bytes: definitions });
  const tags: [number, number][] = (wanted.needed ?? []).map((name) => [1, strings.add(name)]);
  const named: readonly [number, string | null | undefined][] = [
    [14, wanted.soname],
    [15, wanted.rpath],
    [29, wanted.runpath],
  ];
  for (const [tag, text] of named) if (text) tags.push([tag, strings.add(text)]);
  const dynamic = tags.length > 0 || needs.length > 0 || definitions.length > 0;
  if (dynamic) sections.push({ name: 'strtab', bytes: strings.bytes() });

  const count =
    1 +
    (wanted.interpreter ? 1 : 0) +
    (dynamic ? 1 : 0) +
    (typeof wanted.executableStack === 'boolean' ? 1 : 0);
  const offsets = new Map<string, number>();
  let end = HEADER + count * PROGRAM_HEADER;
  for (const { name, bytes } of sections) {
    offsets.set(name, end);
    end += bytes.length;
  }
  const dynamicBytes = dynamic ? dynamicSegment(tags, offsets, strings, wanted) : Buffer.alloc(0);
  const file = Buffer.alloc(end + dynamicBytes.length);
  writeHeader(file, wanted, count);
  for (const { name, bytes } of sections) bytes.copy(file, offsets.get(name));
  dynamicBytes.copy(file, end);

  const segments: (readonly [number, number, number, number])[] = [[1, 5, 0, file.length]];
  const interpreter = offsets.get('interp');
  if (interpreter !== undefined) segments.push([3, 4, interpreter, (wanted.interpreter?.length ?? 0) + 1]);
  if (dynamic) segments.push([2, 6, end, dynamicBytes.length]);
  if (typeof wanted.executableStack === 'boolean')
    segments.push([0x6474e551, wanted.executableStack ? 7 : 6, 0, 0]);
  for (const [index, [type, flags, offset, size]] of segments.entries()) {
    const at = HEADER + index * PROGRAM_HEADER;
    file.writeUInt32LE(type, at);
    file.writeUInt32LE(flags, at + 4);
    file.writeBigUInt64LE(BigInt(offset), at + 8);
    file.writeBigUInt64LE(BigInt(BASE + offset), at + 16);
    file.writeBigUInt64LE(BigInt(size), at + 32);
    file.writeBigUInt64LE(BigInt(size), at + 40);
  }
  return file;
}

function writeHeader(file: Buffer, wanted: Wanted, programHeaders: number): void {
  file.write('\x7fELF\x02\x01\x01', 'latin1');
  file.writeUInt16LE(wanted.type === 'exec' ? 2 : 3, 16);
  file.writeUInt16LE(MACHINES[wanted.machine], 18);
  file.writeUInt32LE(1, 20);
  file.writeBigUInt64LE(BigInt(HEADER), 32);
  file.writeUInt16LE(HEADER, 52);
  file.writeUInt16LE(PROGRAM_HEADER, 54);
  file.writeUInt16LE(programHeaders, 56);
}

function dynamicSegment(
  tags: readonly (readonly [number, number])[],
  offsets: ReadonlyMap<string, number>,
  strings: StringTable,
  wanted: Wanted,
): Buffer {
  const all: (readonly [number, number])[] = [
    ...tags,
    [5, BASE + (offsets.get('strtab') ?? 0)],
    [10, strings.bytes().length],
  ];
  const needs = offsets.get('verneed');
  if (needs !== undefined)
    all.push([0x6ffffffe, BASE + needs], [0x6fffffff, Object.keys(wanted.versionNeeds ?? {}).length]);
  const definitions = offsets.get('verdef');
  if (definitions !== undefined) {
    all.push([0x6ffffffc, BASE + definitions], [0x6ffffffd, (wanted.versionDefinitions?.length ?? 0) + 1]);
  }
  const bytes = Buffer.alloc((all.length + 1) * 16);
  for (const [index, [tag, value]] of all.entries()) {
    bytes.writeBigUInt64LE(BigInt(tag), index * 16);
    bytes.writeBigUInt64LE(BigInt(value), index * 16 + 8);
  }
  return bytes;
}

function versionNeeds(needs: Readonly<Record<string, readonly string[]>>, strings: StringTable): Buffer {
  const libraries = Object.entries(needs);
  return Buffer.concat(
    libraries.map(([library, versions], index) => {
      const bytes = Buffer.alloc(16 + versions.length * 16);
      bytes.writeUInt16LE(1, 0);
      bytes.writeUInt16LE(versions.length, 2);
      bytes.writeUInt32LE(strings.add(library), 4);
      bytes.writeUInt32LE(16, 8);
      bytes.writeUInt32LE(index === libraries.length - 1 ? 0 : bytes.length, 12);
      for (const [place, version] of versions.entries()) {
        const at = 16 + place * 16;
        bytes.writeUInt32LE(strings.add(version), at + 8);
        bytes.writeUInt32LE(place === versions.length - 1 ? 0 : 16, at + 12);
      }
      return bytes;
    }),
  );
}

function versionDefinitions(definitions: readonly string[], strings: StringTable): Buffer {
  if (definitions.length === 0) return Buffer.alloc(0);
  const all = ['libself.so', ...definitions];
  return Buffer.concat(
    all.map((version, index) => {
      const bytes = Buffer.alloc(28);
      bytes.writeUInt16LE(1, 0);
      bytes.writeUInt16LE(index === 0 ? 1 : 0, 2);
      bytes.writeUInt16LE(index + 1, 4);
      bytes.writeUInt16LE(1, 6);
      bytes.writeUInt32LE(20, 12);
      bytes.writeUInt32LE(index === all.length - 1 ? 0 : 28, 16);
      bytes.writeUInt32LE(strings.add(version), 20);
      return bytes;
    }),
  );
}

class StringTable {
  #text = '\0';

  add(text: string): number {
    const offset = this.#text.length;
    this.#text += `${text}\0`;
    return offset;
  }

  bytes(): Buffer {
    return Buffer.from(this.#text, 'latin1');
  }
}
