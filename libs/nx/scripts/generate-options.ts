// Writes the options.ts of every executor and generator from its schema.json; with --check, only reports differences.
import { readFile, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { execa } from 'execa';
import { compile, type JSONSchema } from 'json-schema-to-typescript';

type Listed = Readonly<Record<string, { readonly schema: string }>>;

const PACKAGE = join(import.meta.dirname, '..');

// The options that Nx passes to the executor, with defaults applied.
async function optionTypes(schema: JSONSchema & { readonly title: string }): Promise<string> {
  const properties = schema.properties ?? {};
  const defaulted = Object.keys(properties).filter((name) => properties[name]?.default !== undefined);
  const required = [...new Set([...(Array.isArray(schema.required) ? schema.required : []), ...defaulted])];
  const body = await compile({ ...withoutItemBounds(schema), required }, schema.title, {
    bannerComment: '',
    additionalProperties: false,
    format: false,
  });
  const readonlyBody = body
    .replaceAll(/^( *)("?[A-Za-z][\w-]*"?\??: )/gm, '$1readonly $2')
    .replaceAll(/([A-Za-z]+|\([^()]*\))\[\]/g, 'readonly $1[]');
  const { stdout } = await execa({
    input: `// Generated from schema.json by npm run generate.\n${readonlyBody}`,
    preferLocal: true,
    stripFinalNewline: false,
  })`biome format --stdin-file-path=options.ts`;
  return stdout;
}

// json-schema-to-typescript turns minItems into tuples, which the executors don't need.
function withoutItemBounds(schema: JSONSchema): JSONSchema {
  const properties = Object.entries(schema.properties ?? {}).map(([name, property]) => {
    const { minItems: _, maxItems: __, ...rest } = property;
    return [name, rest];
  });
  return { ...schema, properties: Object.fromEntries(properties) };
}

const check = process.argv.includes('--check');
const [{ executors }, { generators }]: [{ readonly executors: Listed }, { readonly generators: Listed }] = [
  JSON.parse(await readFile(join(PACKAGE, 'executors.json'), 'utf8')),
  JSON.parse(await readFile(join(PACKAGE, 'generators.json'), 'utf8')),
];
for (const { schema } of [...Object.values(executors), ...Object.values(generators)]) {
  const target = join(PACKAGE, dirname(schema), 'options.ts');
  const expected = await optionTypes(JSON.parse(await readFile(join(PACKAGE, schema), 'utf8')));
  if (!check) {
    await writeFile(target, expected);
  } else if ((await readFile(target, 'utf8').catch(() => '')) !== expected) {
    console.error(`${relative(process.cwd(), target)} does not match schema.json: run npm run generate`);
    process.exitCode = 1;
  }
}
