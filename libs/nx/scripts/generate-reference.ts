// Writes docs/reference/errors.md and targets.md from the code; with --check, only reports differences.
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { tableLines } from '../src/github/table.ts';
import { ERRORS, FINDINGS, type Meaning } from './error-meanings.ts';

interface Listed {
  readonly schema: string;
}

interface Property {
  readonly type?: string;
  readonly enum?: readonly string[];
  readonly items?: Property;
  readonly oneOf?: readonly Property[];
  readonly default?: unknown;
  readonly description?: string;
}

interface OptionsSchema {
  readonly description: string;
  readonly required?: readonly string[];
  readonly properties: Readonly<Record<string, Property>>;
}

const PACKAGE = join(import.meta.dirname, '..');
const DOCS = join(PACKAGE, '../../docs/reference');

async function readJson<T>(path: string): Promise<T> {
  return JSON.parse(await readFile(join(PACKAGE, path), 'utf8'));
}

function section([code, { means, action }]: readonly [string, Meaning]): string {
  return `### ${code}\n\n${means}\n\n**Do.** ${action}\n`;
}

function sections(meanings: Readonly<Record<string, Meaning>>, skip = new Set<string>()): string {
  const shown = Object.entries(meanings).filter(([code]) => !skip.has(code));
  return shown
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(section)
    .join('\n');
}

function errorsPage(): string {
  const both = Object.keys(FINDINGS).filter((code) => code in ERRORS);
  return `# Error codes

<!-- Generated from libs/nx/scripts/error-meanings.ts: npm run generate -->

A target that fails exits with a nonzero code and reports what it was working on, what it expected, what it found, and
what to do:

\`\`\`
error TAG_EXISTS: ghcr.io/acme/server:1.2.3: expected no such tag or sha256:…, found sha256:…
  A published version is never replaced: release another version, or overwrite it: npx nx run server:docker-publish --allow-retag
\`\`\`

If the plugin's published \`package.json\` contains its repository, the target also prints a link to the code's section on
this page.

The code stays the same from version to version; the wording may change.

## Errors

${sections(ERRORS)}
## Findings of verify

\`verify\` reports each finding on one line, as \`error CODE: …\` or \`warning CODE: …\`, and in
\`verify/<platform>.json\`. ${both.map((code) => `[\`${code}\`](#${code.toLowerCase()})`).join(', ')} have the same meaning as above.

${sections(FINDINGS, new Set(both)).trimEnd()}
`;
}

function typeOf({ type, enum: values, items, oneOf }: Property): string {
  if (oneOf !== undefined) return oneOf.map(typeOf).join(' or ');
  if (values !== undefined) return values.map((value) => `\`${value}\``).join(', ');
  if (type === 'array') return `list of ${items === undefined ? 'values' : plural(typeOf(items))}`;
  return type ?? 'any';
}

const plural = (type: string): string =>
  type.replaceAll(/\b(string|object|list|number)\b(?! of)/g, '$1s').replace(/^list /, 'lists ');

function row(name: string, property: Property, required: boolean): readonly string[] {
  const value = property.default === undefined ? '' : `\`${JSON.stringify(property.default)}\``;
  const cells = [`\`${name}\``, typeOf(property), required ? 'required' : value, property.description ?? ''];
  return cells.map((cell) => cell.replaceAll(/<([^>]*)>/g, '`<$1>`'));
}

function optionsSection(name: string, { description, properties, required = [] }: OptionsSchema): string {
  const rows = Object.entries(properties).map(([key, property]) =>
    row(key, property, required.includes(key)),
  );
  const table = tableLines(['option', 'type', 'default', 'meaning'], rows).join('\n');
  return `### ${name}\n\n${description}\n\n${table}\n`;
}

async function optionsSections(file: string, key: string): Promise<string> {
  const listed =
    (await readJson<Readonly<Record<string, Readonly<Record<string, Listed>>>>>(file))[key] ?? {};
  const parts = Object.entries(listed).map(async ([name, { schema }]) =>
    optionsSection(name, await readJson<OptionsSchema>(schema)),
  );
  return (await Promise.all(parts)).join('\n');
}

async function targetsPage(): Promise<string> {
  return `# Targets and options

<!-- Generated from the schema.json of each executor and generator: npm run generate -->

Set options on the command line (\`npx nx run server:verify --requireExecution\`, or \`--require-execution\`), or under the
target's \`options\` in project.json. The targets that a \`prebuilt.json\` infers already set the folders, such as
\`dist/apps/server/bin\`; the defaults here and in \`--help\` are for targets that you write yourself.

## Executors

The target with the same name runs each executor, with three exceptions: \`plan\` runs \`release-plan\`, \`github-draft\` runs
\`github-release\` with the stage \`draft\`, and \`nx-release-publish\` runs \`release-publish\`. \`docker-build\` is for a target
that you write yourself.

${await optionsSections('executors.json', 'executors')}
## Generators

Run a generator with \`npx nx g @prebuilt/nx:NAME\`; \`--dry-run\` shows what it would write.

${(await optionsSections('generators.json', 'generators')).trimEnd()}
`;
}

const check = process.argv.includes('--check');
for (const [name, expected] of [
  ['errors.md', errorsPage()],
  ['targets.md', await targetsPage()],
] as const) {
  const target = join(DOCS, name);
  if (!check) {
    await mkdir(dirname(target), { recursive: true });
    await writeFile(target, expected);
  } else if ((await readFile(target, 'utf8').catch(() => '')) !== expected) {
    console.error(`${relative(process.cwd(), target)} does not match the code: run npm run generate`);
    process.exitCode = 1;
  }
}
