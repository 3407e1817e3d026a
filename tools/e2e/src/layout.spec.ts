import { globSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createNodes } from '@prebuilt/nx';
import { describe, expect, it } from 'vitest';

interface Project {
  readonly folder: string;
  readonly name: string;
  readonly dependencies: readonly string[];
}

const ROOT = join(import.meta.dirname, '../../..');

const projects: readonly Project[] = ['apps', 'libs', 'tools'].flatMap((group) =>
  readdirSync(join(ROOT, group)).map((name) => {
    const folder = `${group}/${name}`;
    const manifest = JSON.parse(readFileSync(join(ROOT, folder, 'package.json'), 'utf8'));
    return {
      folder,
      name: manifest.name,
      dependencies: Object.keys({ ...manifest.dependencies, ...manifest.devDependencies }),
    };
  }),
);

function groupOf(folder: string): string {
  return folder.slice(0, folder.indexOf('/'));
}

function projectsUsedBy(project: Project): readonly Project[] {
  return projects.filter((other) => project.dependencies.includes(other.name));
}

describe('the direction of dependencies', () => {
  it.each(projects)('$folder depends only on layers below it', (project) => {
    for (const used of projectsUsedBy(project)) {
      const direction = `${project.folder} → ${used.folder}`;
      // Used only by tests.
      if (['tools/testing', 'tools/rehearsal'].includes(used.folder)) continue;
      if (groupOf(project.folder) === 'libs') expect(direction).toMatch(/^libs\/nx → libs\/(elf|oci)$/);
      else if (groupOf(used.folder) === 'tools') expect(groupOf(project.folder), direction).toBe('tools');
      else expect(groupOf(used.folder), direction).toBe('libs');
    }
  });

  // Nx knows only the dependencies that package.json declares: nx.json keeps it from reading every source for them.
  it('no project imports the files of another by their path', () => {
    const imports = projects.flatMap(({ folder }) =>
      globSync(`${folder}/{src,e2e,testing,scripts}/**/*.{ts,cjs}`, { cwd: ROOT }).flatMap((file) => {
        const text = readFileSync(join(ROOT, file), 'utf8');
        const paths = [...text.matchAll(/(?:\bfrom|\bimport|\brequire)\b[ (]*'(\.[^']*)'/g)];
        return paths.map(([, path = '']) => ({ folder, file, target: join(dirname(file), path) }));
      }),
    );
    expect(imports.length).toBeGreaterThan(1000);
    expect(imports.filter(({ folder, target }) => !target.startsWith(`${folder}/`))).toEqual([]);
  });

  it('there are no circular dependencies between projects', () => {
    const reaches = (from: Project, seen: readonly string[]): void => {
      expect(seen).not.toContain(from.folder);
      for (const used of projectsUsedBy(from)) reaches(used, [...seen, from.folder]);
    };
    for (const project of projects) reaches(project, []);
  });
});

describe('tools/release/project.json', () => {
  const text = readFileSync(join(ROOT, 'tools/release/project.json'), 'utf8');
  const { targets }: { readonly targets: Readonly<Record<string, object>> } = JSON.parse(text);

  it('tools/release/project.json has fewer than 40 lines', () => {
    expect(text.split('\n').length).toBeLessThan(40);
  });

  it('tools/release/project.json declares the same as is inferred from prebuilt.json', async () => {
    const nxJsonConfiguration = JSON.parse(readFileSync(join(ROOT, 'nx.json'), 'utf8'));
    const { options } = nxJsonConfiguration.plugins.find(
      (each: { readonly plugin?: string }) => each.plugin === '@prebuilt/nx',
    );
    const [result] = await createNodes[1](['tools/release/prebuilt.json'], options, {
      workspaceRoot: ROOT,
      nxJsonConfiguration,
    });
    const inferred = result?.[1].projects?.['tools/release']?.targets ?? {};
    expect(Object.keys(targets)).toEqual(['build-binaries', 'verify', 'docker-release']);
    for (const [name, declared] of Object.entries(targets)) expect(inferred[name]).toMatchObject(declared);
  });
});

// Checked by text, since the app must not import the plugin, not even in its tests.
it('the monitor’s tests compile it with the same flags as its releases', () => {
  const switchesIn = (path: string): readonly string[] => {
    const text = readFileSync(join(ROOT, path), 'utf8');
    const args = text.slice(text.indexOf("'--compile',"), text.indexOf("'--sourcemap=none',"));
    return [...args.matchAll(/'(--[^']+)'/g)].map(([, name = '']) => name);
  };
  const released = switchesIn('libs/nx/src/toolchains/bun.ts');
  expect(released).toContain('--bytecode');
  expect(released).toContain('--env=disable');
  expect(switchesIn('apps/mount-monitor/testing/compile.ts')).toEqual(released);
});
