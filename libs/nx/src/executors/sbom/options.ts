// Generated from schema.json by npm run generate.
/**
 * Writes a CycloneDX bill of materials for each platform's image.
 */
export interface SbomOptions {
  /**
   * The output folder of build-binaries, relative to the workspace root.
   */
  readonly inputPath: string;
  /**
   * The folder for the bills of materials, relative to the workspace root. Every run replaces the whole folder.
   */
  readonly outputPath: string;
}
