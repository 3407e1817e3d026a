import type { Fields } from './fields.ts';
import type { Header } from './header.ts';
import type { Reader } from './reader.ts';
import { sectionOfType } from './sections.ts';
import { textAt } from './text.ts';

/** The attributes of the whole file, from the `.ARM.attributes` section. */
export interface ArmAttributes {
  /** Tag_CPU_arch: `v6`, `v7`, …; null if it isn't given. */
  readonly architecture: string | null;
  /** Tag_ABI_VFP_args: whether floating-point arguments are passed in VFP registers. */
  readonly passesInVfp: boolean;
}

const NONE: ArmAttributes = { architecture: null, passesInVfp: false };

// Far more than real files have, which is about fifty bytes.
const MAX_ATTRIBUTE_BYTES = 64 * 1024;

const SHT_ARM_ATTRIBUTES = 0x70000003;
const FORMAT_VERSION = 0x41;
const TAG_FILE = 1;
const TAG_CPU_RAW_NAME = 4;
const TAG_CPU_NAME = 5;
const TAG_CPU_ARCH = 6;
const TAG_ABI_VFP_ARGS = 28;
const TAG_COMPATIBILITY = 32;
const IN_VFP_REGISTERS = 1;

// Indexed by the value of Tag_CPU_arch.
const ARCHITECTURES = [
  'pre-v4',
  'v4',
  'v4T',
  'v5T',
  'v5TE',
  'v5TEJ',
  'v6',
  'v6KZ',
  'v6T2',
  'v6K',
  'v7',
  'v6-M',
  'v6S-M',
  'v7E-M',
  'v8-A',
  'v8-R',
  'v8-M.baseline',
  'v8-M.mainline',
  'v8.1-A',
  'v8.2-A',
  'v8.3-A',
  'v8.1-M.mainline',
  'v9-A',
] as const;

/**
 * Reads the attributes of an arm file; a file without section headers or attributes has none. Throws `TRUNCATED` or
 * `MALFORMED`.
 * https://github.com/ARM-software/abi-aa/blob/main/addenda32/addenda32.rst#representing-build-attributes-in-elf-files
 */
export async function readArmAttributes(reader: Reader, header: Header): Promise<ArmAttributes> {
  const section = await sectionOfType(reader, header, SHT_ARM_ATTRIBUTES);
  if (section === undefined) return NONE;
  if (section.size > MAX_ATTRIBUTE_BYTES) throw reader.malformed(`${section.size} bytes of attributes`);
  const fields = await reader.fields(section.offset, section.size, 'the attributes');
  if (fields.length === 0) throw reader.malformed('an empty attributes section');
  if (fields.bytes[0] !== FORMAT_VERSION)
    throw reader.malformed(`attributes in the unknown format ${fields.bytes[0]}`);
  for (const [start, end] of subsections(reader, fields, 1, fields.length, 0)) {
    const vendor = textAt(reader, fields.bytes.subarray(0, end), start, "an attributes' vendor");
    if (vendor !== 'aeabi') continue;
    for (const [inner, innerEnd] of subsections(reader, fields, start + vendor.length + 1, end, 1)) {
      if (fields.bytes[inner - 5] === TAG_FILE)
        return fileAttributes(reader, fields.bytes.subarray(inner, innerEnd));
    }
  }
  return NONE;
}

// Consecutive parts, each with its length, which includes itself and the `tag` bytes before it.
function* subsections(
  reader: Reader,
  fields: Fields,
  start: number,
  end: number,
  tag: 0 | 1,
): Generator<readonly [number, number]> {
  for (let at = start; at < end; ) {
    const content = at + tag + 4;
    const length = content <= end ? fields.u32(at + tag) : 0;
    if (length < tag + 4 || at + length > end)
      throw reader.malformed('attributes are longer than their section');
    yield [content, at + length];
    at += length;
  }
}

function fileAttributes(reader: Reader, bytes: Uint8Array): ArmAttributes {
  let at = 0;
  const number = (): number => {
    // No tag or value has more than 28 bits.
    for (let value = 0, shift = 0; shift <= 21; shift += 7) {
      const byte = bytes[at];
      if (byte === undefined) break;
      at += 1;
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    throw reader.malformed('an attribute is not a number');
  };
  const skipText = (): void => {
    const end = bytes.indexOf(0, at);
    if (end < 0) throw reader.malformed('the text of an attribute is not terminated');
    at = end + 1;
  };
  const values = new Map<number, number>();
  while (at < bytes.length) {
    const tag = number();
    const isText =
      tag === TAG_CPU_RAW_NAME || tag === TAG_CPU_NAME || (tag > TAG_COMPATIBILITY && tag % 2 === 1);
    if (!isText) values.set(tag, number());
    if (isText || tag === TAG_COMPATIBILITY) skipText();
  }
  const architecture = values.get(TAG_CPU_ARCH);
  return {
    architecture:
      architecture === undefined ? null : (ARCHITECTURES[architecture] ?? `Tag_CPU_arch_${architecture}`),
    passesInVfp: values.get(TAG_ABI_VFP_ARGS) === IN_VFP_REGISTERS,
  };
}
