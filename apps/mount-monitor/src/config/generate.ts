import { writeFile } from 'node:fs/promises';
import { configJsonSchema, configReference } from './reference.ts';

/** The generated files, and what they must hold; a test compares. */
export function generatedFiles(): ReadonlyMap<URL, string> {
  return new Map([
    [
      new URL('../../config.schema.json', import.meta.url),
      `${JSON.stringify(configJsonSchema(), null, 2)}\n`,
    ],
    [new URL('../../../../docs/configuration.md', import.meta.url), configReference()],
  ]);
}

if (process.argv[1] === import.meta.filename) {
  Promise.all([...generatedFiles()].map(([file, text]) => writeFile(file, text)));
}
