// Runs one executor as Nx does after reading the workspace. Arguments: NAME OPTIONS ROOT.
import { readFileSync } from 'node:fs';

const [name = '', options = '{}', root = ''] = process.argv.slice(2);
const list = new URL(import.meta.resolve('@prebuilt/nx/executors.json'));
const { implementation, schema } = JSON.parse(readFileSync(list, 'utf8')).executors[name];
const { properties } = JSON.parse(readFileSync(new URL(schema, list), 'utf8'));
const defaults = Object.fromEntries(
  Object.entries<{ default?: unknown }>(properties).flatMap(([option, { default: value }]) =>
    value === undefined ? [] : [[option, value]],
  ),
);
const { default: run } = await import(new URL(implementation, list).href);
const result = await run({ ...defaults, ...JSON.parse(options) }, { root });
process.exitCode = result.success ? 0 : 1;
