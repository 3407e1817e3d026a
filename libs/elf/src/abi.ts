import { type ArmAttributes, readArmAttributes } from './arm-attributes.ts';
import type { Header } from './header.ts';
import type { Reader } from './reader.ts';

/** What distinguishes variants of one machine; null where the file does not say, or the machine has no variants. */
export interface ElfAbi {
  /** arm: the version of the EABI (5). ppc64: 1 or 2, which all little-endian files have. */
  readonly version: number | null;
  /**
   * How floating-point arguments are passed. arm: `soft` (Debian's armel) or `hard` (armhf). riscv: `soft`,
   * `single`, `double` (riscv64-linux-gnu) or `quad`. Files with different ones can't be linked.
   */
  readonly float: 'soft' | 'hard' | 'single' | 'double' | 'quad' | null;
  /** arm: the oldest architecture that runs the file, `v5TE`, `v6`, `v7`, … of its attributes. */
  readonly architecture: string | null;
}

const NONE: ElfAbi = { version: null, float: null, architecture: null };

// https://github.com/ARM-software/abi-aa/blob/main/aaelf32/aaelf32.rst#elf-header
const EF_ARM_EABI_SHIFT = 24;
const EF_ARM_ABI_FLOAT_SOFT = 0x200;
const EF_ARM_ABI_FLOAT_HARD = 0x400;

// https://github.com/riscv-non-isa/riscv-elf-psabi-doc/blob/master/riscv-elf.adoc#file-header
const EF_RISCV_FLOAT_ABI_SHIFT = 1;
const RISCV_FLOAT = ['soft', 'single', 'double', 'quad'] as const;

// https://openpowerfoundation.org/specifications/64bitelfabi/
const EF_PPC64_ABI = 3;

/** Reads the ABI from `e_flags`, and from the attributes where the machine is arm. Throws `TRUNCATED` or `MALFORMED`. */
export async function readAbi(reader: Reader, header: Header): Promise<ElfAbi> {
  const { flags } = header;
  switch (reader.identity.machine) {
    case 'arm':
      return armAbi(flags, await readArmAttributes(reader, header));
    case 'riscv':
      return { ...NONE, float: RISCV_FLOAT[(flags >> EF_RISCV_FLOAT_ABI_SHIFT) & 3] ?? null };
    case 'ppc64':
      return { ...NONE, version: flags & EF_PPC64_ABI || null };
    default:
      return NONE;
  }
}

// Only executables and libraries have the float ABI in their flags, and those of Go's own linker have neither bit
// and no attributes: they need no library to agree with.
function armAbi(flags: number, { architecture, passesInVfp }: ArmAttributes): ElfAbi {
  const told =
    (flags & EF_ARM_ABI_FLOAT_HARD) !== 0 ? 'hard' : (flags & EF_ARM_ABI_FLOAT_SOFT) !== 0 ? 'soft' : null;
  return {
    version: flags >>> EF_ARM_EABI_SHIFT || null,
    float: told ?? (passesInVfp ? 'hard' : null),
    architecture,
  };
}
