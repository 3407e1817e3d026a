export { PackError, type PackErrorCode } from './errors.ts';
export { type PackedPackage, type Packing, packPackage } from './pack.ts';
