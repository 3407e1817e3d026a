import { type Encoding, FieldWriter } from './field-writer.ts';
import type { StringTable } from './string-table.ts';

const NEED_BYTES = 16;
const DEFINITION_BYTES = 28;

/** DT_VERNEED. https://refspecs.linuxfoundation.org/LSB_5.0.0/LSB-Core-generic/LSB-Core-generic/symversion.html */
export function versionNeeds(
  needs: Readonly<Record<string, readonly string[]>>,
  strings: StringTable,
  encoding: Encoding,
): Buffer {
  const libraries = Object.entries(needs);
  return Buffer.concat(
    libraries.map(([library, versions], index) => {
      const need = new FieldWriter(NEED_BYTES * (1 + versions.length), encoding);
      need.u16(0, 1);
      need.u16(2, versions.length);
      need.u32(4, strings.add(library));
      need.u32(8, NEED_BYTES);
      need.u32(12, index === libraries.length - 1 ? 0 : need.bytes.length);
      for (const [place, version] of versions.entries()) {
        const at = NEED_BYTES * (1 + place);
        need.u32(at + 8, strings.add(version));
        need.u32(at + 12, place === versions.length - 1 ? 0 : NEED_BYTES);
      }
      return need.bytes;
    }),
  );
}

/** DT_VERDEF, with the file's own name first. Same specification. */
export function versionDefinitions(
  definitions: readonly string[],
  strings: StringTable,
  encoding: Encoding,
): Buffer {
  if (definitions.length === 0) return Buffer.alloc(0);
  const all = ['libself.so', ...definitions];
  return Buffer.concat(
    all.map((version, index) => {
      const definition = new FieldWriter(DEFINITION_BYTES, encoding);
      definition.u16(0, 1);
      definition.u16(2, index === 0 ? 1 : 0);
      definition.u16(4, index + 1);
      definition.u16(6, 1);
      definition.u32(12, 20);
      definition.u32(16, index === all.length - 1 ? 0 : DEFINITION_BYTES);
      definition.u32(20, strings.add(version));
      return definition.bytes;
    }),
  );
}
