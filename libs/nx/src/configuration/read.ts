import { readFile } from 'node:fs/promises';
import { posix } from 'node:path';
import * as v from 'valibot';
import { parsePlatforms } from '../artifacts/platform.ts';
import { type Configuration, configurationDefinition } from './definition.ts';
import { type PluginOptions, pluginOptionsDefinition } from './plugin-options.ts';
import { problemsOf, shown } from './problems.ts';

/** The result of reading a configuration file: its content, or all its problems. */
export type Read<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly problems: readonly string[] };

/** Far more than any handwritten prebuilt.json needs. */
const MAX_BYTES = 1024 * 1024;

/** Reads a project's prebuilt.json. Reports all problems at once and never throws. */
export async function readConfiguration(file: string): Promise<Read<Configuration>> {
  let content: string;
  try {
    content = await readFile(file, 'utf8');
  } catch (error) {
    return { ok: false, problems: [`can't be read: ${(error as Error).message}`] };
  }
  return parseConfiguration(content);
}

/** Parses the text of a prebuilt.json: JSON without comments. */
export function parseConfiguration(text: string): Read<Configuration> {
  if (text.length > MAX_BYTES) {
    return { ok: false, problems: [`expected at most ${MAX_BYTES} bytes, found ${text.length}`] };
  }
  let data: unknown;
  try {
    data = JSON.parse(text);
  } catch (error) {
    return { ok: false, problems: [`expected JSON: ${(error as Error).message}`] };
  }
  // Otherwise, an empty array would be accepted as an empty object.
  if (Array.isArray(data))
    return { ok: false, problems: [`(root): expected an object, found ${shown(data)}`] };
  const parsed = v.safeParse(configurationDefinition, data);
  if (!parsed.success) return { ok: false, problems: problemsOf(parsed.issues, configurationDefinition) };
  const problems = [...platformProblems(parsed.output.platforms), ...outputProblems(parsed.output.output)];
  return problems.length === 0 ? { ok: true, value: parsed.output } : { ok: false, problems };
}

/** Reads the plugin's options from nx.json. */
export function readPluginOptions(options: unknown): Read<PluginOptions> {
  const parsed = v.safeParse(pluginOptionsDefinition, options ?? {});
  if (!parsed.success) return { ok: false, problems: problemsOf(parsed.issues, pluginOptionsDefinition) };
  const problems = platformProblems(parsed.output.platforms);
  return problems.length === 0 ? { ok: true, value: parsed.output } : { ok: false, problems };
}

function platformProblems(platforms: readonly string[] | undefined): readonly string[] {
  if (platforms === undefined) return [];
  try {
    parsePlatforms(platforms);
    return [];
  } catch (error) {
    return [(error as Error).message];
  }
}

function outputProblems(output: string | undefined): readonly string[] {
  if (output === undefined) return [];
  const inside =
    !posix.isAbsolute(output) &&
    !output.includes('\\') &&
    !output.includes('\0') &&
    !posix.normalize(`${output}/`).startsWith('../') &&
    posix.normalize(`${output}/`) !== './';
  return inside
    ? []
    : [`output: expected a folder inside the workspace, such as "dist/server", found ${shown(output)}`];
}
