import { type ArmAttributes, readArmAttributes } from './arm-attributes.ts';
import type { Header } from './header.ts';
import type { Reader } from './reader.ts';

/** What distinguishes variants of a machine; null if the file does not say, or the machine has no variants. */
export interface ElfAbi {
  /** arm: the EABI version (5). ppc64: 1 or 2; all little-endian files have 2. */
  readonly version: number | null;
  /**
   * How floating-point arguments are passed. arm: `soft` (Debian's armel) or `hard` (armhf). riscv: `soft`, `single`,
   * `double` (riscv64-linux-gnu) or `quad`. Files with different float ABIs can't be linked.
   */
  readonly float: 'soft' | 'hard' | 'single' | 'double' | 'quad' | null;
  /** arm: the oldest architecture that can run the file, from its attributes: `v5TE`, `v6`, `v7`, … */
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

/** Reads the ABI from `e_flags` and, for arm, from the attributes. Throws `TRUNCATED` or `MALFORMED`. */
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

// Only executables and libraries have the float ABI in their flags, and those made by Go's own linker have neither bit
// and no attributes: they have no libraries to match.
function armAbi(flags: number, { architecture, passesInVfp }: ArmAttributes): ElfAbi {
  const told =
    (flags & EF_ARM_ABI_FLOAT_HARD) !== 0 ? 'hard' : (flags & EF_ARM_ABI_FLOAT_SOFT) !== 0 ? 'soft' : null;
  return {
    version: flags >>> EF_ARM_EABI_SHIFT || null,
    float: told ?? (passesInVfp ? 'hard' : null),
    architecture,
  };
}
