import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { publishedPath } from './compiled.ts';

const ROOT = join(import.meta.dirname, '../../..');

/** The exports that only this workspace's own projects may import, not users of the package, and who imports them. */
const PRIVATE: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>> = {
  'libs/elf': {},
  'libs/oci': {},
  'libs/nx': { './artifacts': ['tools/bench', 'tools/e2e'], './publishing': ['tools/chart'] },
};

type Published = string | Readonly<Record<string, string>>;

describe.each(Object.entries(PRIVATE))('the exports of %s', (folder, expected) => {
  const {
    name,
    exports: atSource,
    publishConfig,
  }: {
    readonly name: string;
    readonly exports: Readonly<Record<string, string>>;
    readonly publishConfig: { readonly exports: Readonly<Record<string, Published>> };
  } = JSON.parse(readFileSync(join(ROOT, folder, 'package.json'), 'utf8'));

  it('the sources export what is published, and the private exports listed here', () => {
    const beyond = Object.keys(atSource).filter((path) => publishConfig.exports[path] === undefined);
    expect(beyond.sort()).toEqual(Object.keys(expected).sort());
  });

  it('the sources export the files from which the published ones are made', () => {
    for (const [path, file] of Object.entries(atSource)) {
      const published = publishConfig.exports[path];
      if (published === undefined) continue;
      const made = typeof published === 'string' ? published : published.default;
      expect(made, path).toBe(`./${publishedPath(file.slice('./'.length))}`);
    }
  });

  it('no export is a pattern or a folder', () => {
    const paths = [...Object.entries(atSource), ...Object.entries(publishConfig.exports)].flat();
    expect(paths.filter((path) => /[*]|\/$/.test(JSON.stringify(path).slice(1, -1)))).toEqual([]);
  });

  it('private exports are imported only by the listed projects', () => {
    for (const [path, users] of Object.entries(expected)) {
      const importing = filesOfOthers(folder)
        .filter((file) => readFileSync(join(ROOT, file), 'utf8').includes(`'${name}${path.slice(1)}'`))
        .map((file) => file.split('/').slice(0, 2).join('/'));
      expect([...new Set(importing)].sort(), path).toEqual(users);
    }
  });

  it('packages are imported by name, never by a path into their folder', () => {
    const into = new RegExp(`['"](?:\\.\\./)+(?:libs/)?${folder.split('/')[1]}/(?:src|testing)/`);
    const found = filesOfOthers(folder).filter((file) => into.test(readFileSync(join(ROOT, file), 'utf8')));
    expect(found).toEqual([]);
  });
});

function filesOfOthers(folder: string): readonly string[] {
  return globSync('{apps,libs,tools}/*/{src,e2e,testing,scripts}/**/*.ts', { cwd: ROOT }).filter(
    (file) => !file.startsWith(`${folder}/`),
  );
}
