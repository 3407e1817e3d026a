// Writes the package's JSON Schemas from their definitions; with --check, only reports differences.
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { toJsonSchema } from '@valibot/to-json-schema';
import { execa } from 'execa';
import type { GenericSchema } from 'valibot';
import { configurationDefinition } from '../src/configuration/definition.ts';
import { pluginOptionsDefinition } from '../src/configuration/plugin-options.ts';
import { lockSchema } from '../src/lock/lock.ts';
import { TOOLCHAINS } from '../src/toolchains/index.ts';

const PACKAGE = join(import.meta.dirname, '..');

const SCHEMAS: Readonly<Record<string, { readonly title: string; readonly definition: GenericSchema }>> = {
  'schemas/prebuilt.json': { title: 'prebuilt.json', definition: configurationDefinition },
  'schemas/prebuilt.lock.json': { title: 'prebuilt.lock.json', definition: lockSchema },
  'schemas/plugin-options.json': {
    title: 'Options of the plugin in nx.json',
    definition: pluginOptionsDefinition,
  },
};

/** A toolchain's name, or an object with its options. */
function toolchainSchema(): object {
  const named = TOOLCHAINS.map(({ name, options }) => {
    const { $schema: _, properties, required: __, ...rest } = toJsonSchema(options, { errorMode: 'ignore' });
    return { ...rest, properties: { name: { const: name }, ...properties }, required: ['name'] };
  });
  return { anyOf: [{ enum: TOOLCHAINS.map(({ name }) => name) }, ...named] };
}

async function schemaText(title: string, definition: GenericSchema): Promise<string> {
  const { $schema, ...schema } = toJsonSchema(definition, { errorMode: 'ignore' });
  // The definition accepts any toolchain options, since each toolchain checks its own.
  const toolchain = schema.properties?.toolchain;
  if (typeof toolchain === 'object') {
    const { anyOf: _, ...described } = toolchain;
    Object.assign(schema.properties ?? {}, { toolchain: { ...described, ...toolchainSchema() } });
  }
  const { stdout } = await execa({
    input: JSON.stringify({ $schema, title, ...schema }),
    preferLocal: true,
    stripFinalNewline: false,
  })`biome format --stdin-file-path=schema.json`;
  return stdout;
}

const check = process.argv.includes('--check');
for (const [path, { title, definition }] of Object.entries(SCHEMAS)) {
  const target = join(PACKAGE, path);
  const expected = await schemaText(title, definition);
  if (!check) {
    await mkdir(dirname(target), { recursive: true });
    await writeFile(target, expected);
  } else if ((await readFile(target, 'utf8').catch(() => '')) !== expected) {
    console.error(`${relative(process.cwd(), target)} does not match its definition: run npm run generate`);
    process.exitCode = 1;
  }
}
