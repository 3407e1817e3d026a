export {
  type ElfFacts,
  type ElfIdentity,
  IDENTITY_BYTES,
  openElf,
  readElf,
  readElfIdentity,
} from './elf.ts';
export { ElfError, type ElfErrorCode } from './errors.ts';
export { type Linkage, type LinkageProblem, resolveLinkage } from './linkage.ts';
export { type ByteSource, bytesSource } from './source.ts';
