export { buildElf } from './build-elf.ts';
export type { Encoding } from './field-writer.ts';
export { inlineBuildInfo, pointedBuildInfo } from './go-build-info.ts';
