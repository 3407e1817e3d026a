// Generated from schema.json by npm run generate.
/**
 * Writes a CycloneDX bill of materials of what each platform's image holds.
 */
export interface SbomOptions {
  /**
   * The folder that build-binaries filled, relative to the workspace's root.
   */
  readonly inputPath: string;
  /**
   * The folder for the bills of materials, relative to the workspace's root. It is replaced as a whole.
   */
  readonly outputPath: string;
}
