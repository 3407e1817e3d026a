import type { ElfFacts } from '@prebuilt/elf';
import { elfOf, type Platform } from './platform.ts';

/** What keeps an ELF file from running on a platform. */
export interface ElfMismatch {
  readonly expected: string;
  readonly found: string;
}

/**
 * Why a file is none of the platform's: another machine, class or byte order; for arm a newer architecture; and where
 * it uses libraries, another way of passing floating-point arguments than theirs. Undefined where it fits. What the
 * file does not say (Go's linker writes no attributes of arm) is not held against it.
 */
export function elfMismatch(platform: Platform, facts: ElfFacts): ElfMismatch | undefined {
  const { machine, class: bits, byteOrder, float, armArchitecture } = elfOf(platform);
  if (facts.machine !== machine || facts.class !== bits || facts.byteOrder !== byteOrder) {
    return {
      expected: `a ${bits}-bit ${byteOrder}-endian ${machine} executable for ${platform}`,
      found: `${facts.class}-bit ${facts.byteOrder}-endian ${facts.machine}`,
    };
  }
  const { architecture, float: given } = facts.abi;
  const version = /^v(\d+)/.exec(architecture ?? '')?.[1];
  if (armArchitecture !== undefined && version !== undefined && Number(version) > armArchitecture) {
    return {
      expected: `an executable for arm v${armArchitecture}, as ${platform} is`,
      found: `one for ${architecture}`,
    };
  }
  if (!facts.static && float !== undefined && given !== null && given !== float) {
    return {
      expected: `the ${float} floating-point ABI, as libraries of ${platform} have it`,
      found: `the ${given} one`,
    };
  }
  return undefined;
}
