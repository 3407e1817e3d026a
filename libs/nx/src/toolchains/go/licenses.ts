import { readdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { PackageURL } from 'packageurl-js';
import { licenseOf } from '../components/license-text.ts';
import type { Component } from '../toolchain.ts';
import type { GoFacts } from './environment.ts';

const LICENSE_FILE = /^(?:(?:license|licence)|copying)(?:\.(?:md|txt))?$/i;

/**
 * The components with licenses added for modules whose local sources contain exactly one known license. Go modules have
 * no license metadata.
 */
export async function withLicenses(
  facts: GoFacts,
  components: readonly Component[],
): Promise<readonly Component[]> {
  return Promise.all(
    components.map(async (component) => {
      const license = component.license ?? (await licenseIn(sourcesOf(facts, component.purl)));
      return license === undefined ? component : { ...component, license };
    }),
  );
}

// https://go.dev/ref/mod#module-cache, https://go.dev/ref/mod#vendoring
function sourcesOf(facts: GoFacts, purl: string): string | undefined {
  const { type, namespace, name, version } = PackageURL.fromString(purl);
  if (type !== 'golang' || typeof version !== 'string') return undefined;
  const path = [namespace, name].filter(Boolean).join('/');
  if (facts.isVendored) return join(dirname(facts.goWork ?? facts.goMod), 'vendor', path);
  return join(facts.moduleCache, escaped(`${path}@${version}`));
}

// Go's module cache escapes capital letters for case-insensitive file systems.
function escaped(text: string): string {
  return text.replaceAll(/[A-Z]/g, (letter) => `!${letter.toLowerCase()}`);
}

async function licenseIn(folder: string | undefined): Promise<string | undefined> {
  if (folder === undefined) return undefined;
  const names: readonly string[] = await readdir(folder).catch(() => []);
  const files = names.filter((name) => LICENSE_FILE.test(name));
  const [only, ...others] = await Promise.all(
    files.map(async (name) => licenseOf(await readFile(join(folder, name), 'utf8').catch(() => ''))),
  );
  return others.length === 0 ? only : undefined;
}
