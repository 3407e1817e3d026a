/** The executor's options with their defaults applied; generated from schema.json. */
export interface BuildBinariesOptions {
  readonly name: string;
  readonly entry: string;
  readonly platforms: readonly string[];
  readonly toolchain: 'bun';
  readonly outputPath: string;
  readonly sysroot: string;
  readonly dryRun: boolean;
}
