// Usage: node tools/pack/src/main.ts --project=FOLDER --scope=@SCOPE
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { PackError } from './errors.ts';
import { packPackage } from './pack.ts';

const { values } = parseArgs({ options: { project: { type: 'string' }, scope: { type: 'string' } } });
try {
  const { project = '', scope = '' } = values;
  const root = join(import.meta.dirname, '../../..');
  const { folder, name, version, files } = await packPackage({ root, project, scope }, process.env);
  console.log(`${folder}: ${name} ${version}, ${files.length} files`);
} catch (error) {
  if (!(error instanceof PackError)) throw error;
  console.error(`error ${error.code}: ${error.message}`);
  process.exitCode = 1;
}
