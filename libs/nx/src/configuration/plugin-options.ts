import * as v from 'valibot';
import { TARGETS } from './target-names.ts';

const text = v.pipe(v.string(), v.minLength(1, 'a string that is not empty'));

/** The plugin's options in nx.json: defaults for every project in the workspace. */
export const pluginOptionsDefinition = v.strictObject({
  targetNames: v.optional(
    v.pipe(
      v.strictObject(v.entriesFromList(TARGETS, v.optional(text))),
      v.description('Other names for the inferred targets.'),
    ),
    {},
  ),
  repository: v.optional(
    v.pipe(
      text,
      v.description(
        'Where images are published, as a pattern: ghcr.io/acme/{projectName}. A project’s own image.repository wins.',
      ),
    ),
  ),
  platforms: v.optional(
    v.pipe(
      v.array(text, 'a list of platforms such as ["linux/amd64"]'),
      v.minLength(1, 'at least one platform'),
      v.description('The platforms to compile for. Defaults to linux/amd64 and linux/arm64.'),
    ),
  ),
  inputs: v.optional(
    v.pipe(
      v.array(v.union([v.string(), v.record(v.string(), v.unknown())], 'an Nx input')),
      v.description('Additional Nx inputs for every inferred target, such as {"env": "…"}.'),
    ),
    [],
  ),
});

/** The plugin's options from nx.json, with defaults applied. */
export type PluginOptions = Readonly<v.InferOutput<typeof pluginOptionsDefinition>>;
