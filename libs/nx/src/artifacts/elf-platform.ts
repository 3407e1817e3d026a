import type { ElfFacts } from '@prebuilt/elf';
import { elfOf, type Platform } from './platform.ts';

/** The reason why an ELF file can't run on a platform. */
export interface ElfMismatch {
  readonly expected: string;
  readonly found: string;
}

/**
 * Why a file doesn't match the platform: a different machine, class or byte order; for arm, a newer architecture; and
 * if it uses libraries, a different floating-point ABI. Undefined if it matches. Missing information is accepted: Go's
 * linker, for example, writes no arm attributes.
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
      expected: `the ${float} floating-point ABI, which the libraries of ${platform} use`,
      found: `the ${given} one`,
    };
  }
  return undefined;
}
