import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type PackageRegistry, startPackageRegistry } from './stranger/package-registry.ts';
import { type Publication, publishPackages } from './stranger/publication.ts';

const VERSION = '1.2.3';

let registry: PackageRegistry;
let publication: Publication;

beforeAll(async () => {
  registry = await startPackageRegistry();
  publication = await publishPackages(registry, VERSION);
}, 300_000);
afterAll(() => registry?.[Symbol.asyncDispose]());

interface Packument {
  readonly 'dist-tags': Readonly<Record<string, string>>;
  readonly versions: Readonly<Record<string, { readonly dependencies?: unknown }>>;
}

async function packument(name: string): Promise<Packument> {
  const response = await fetch(`${registry.url}/${encodeURIComponent(name)}`);
  return (await response.json()) as Packument;
}

describe('nx release', () => {
  it('writes the version into the three packages and the lockfile, and nowhere else', () => {
    expect(publication.changed).toEqual([
      'libs/elf/package.json',
      'libs/nx/package.json',
      'libs/oci/package.json',
      'package-lock.json',
    ]);
  });

  it.each(['@prebuilt/elf', '@prebuilt/oci', '@prebuilt/nx'])('publishes %s as the latest', async (name) => {
    const { 'dist-tags': tags, versions } = await packument(name);
    expect(tags).toEqual({ latest: VERSION });
    expect(Object.keys(versions)).toEqual([VERSION]);
  });

  it('publishes the plugin with exactly the libs that were published with it', async () => {
    const { versions } = await packument('@prebuilt/nx');
    expect(versions[VERSION]?.dependencies).toMatchObject({
      '@prebuilt/elf': VERSION,
      '@prebuilt/oci': VERSION,
    });
  });
});
