import { platformParts, platformSuffix } from '../artifacts/platform.ts';
import { gnuTarget, goArchitecture, rustGnuTarget, rustMuslTarget, zigTarget } from './target-names.ts';
import type { CompileRequest } from './toolchain.ts';

/** The values for placeholders. */
export type PlaceholderFacts = Pick<CompileRequest, 'platform' | 'name' | 'version' | 'outfile' | 'others'>;

const VALUES: Readonly<Record<string, (facts: PlaceholderFacts) => string>> = {
  platform: ({ platform }) => platformSuffix(platform),
  os: ({ platform }) => platformParts(platform).os,
  arch: ({ platform }) => platformParts(platform).architecture,
  variant: ({ platform }) => platformParts(platform).variant ?? '',
  goarch: ({ platform }) => goArchitecture(platform),
  gnuTarget: ({ platform }) => gnuTarget(platform),
  rustTarget: ({ platform }) => rustMuslTarget(platform),
  rustGnuTarget: ({ platform }) => rustGnuTarget(platform),
  zigTarget: ({ platform }) => zigTarget(platform),
  name: ({ name }) => name,
  version: ({ version }) => version,
  output: ({ outfile }) => outfile,
};

// One word, or `output:` and an executable's name. Other braces belong to the command and are left alone.
const PLACEHOLDER = /\{([A-Za-z]+)(?::([a-z0-9][a-z0-9._-]*))?\}/g;

/** The unknown placeholders in a text. */
export function unknownPlaceholders(text: string): readonly string[] {
  return [...text.matchAll(PLACEHOLDER)]
    .filter(
      ([, word = '', name]) => !Object.hasOwn(VALUES, word) || (name !== undefined && word !== 'output'),
    )
    .map(([whole]) => whole);
}

/** The text with its placeholders replaced. `{output:NAME}` of an unknown executable is left as is. */
export function fillPlaceholders(text: string, facts: PlaceholderFacts): string {
  return text.replaceAll(PLACEHOLDER, (whole, word: string, name: string | undefined) => {
    if (name !== undefined) return facts.others.find((each) => each.name === name)?.outfile ?? whole;
    return VALUES[word]?.(facts) ?? whole;
  });
}
