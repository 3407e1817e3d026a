export type { ElfAbi } from './abi.ts';
export { type ElfFacts, openElf, readElf } from './elf.ts';
export { ElfError, type ElfErrorCode } from './errors.ts';
export { type ElfIdentity, IDENTITY_BYTES, readElfIdentity } from './identity.ts';
export { type Linkage, type LinkageProblem, resolveLinkage } from './linkage.ts';
export type { ElfNote } from './notes.ts';
export { type ByteSource, bytesSource, withFileSource } from './source.ts';
