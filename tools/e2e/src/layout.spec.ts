import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
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
  it.each(projects)('$folder uses only what lies below it', (project) => {
    for (const used of projectsUsedBy(project)) {
      const direction = `${project.folder} → ${used.folder}`;
      if (used.folder === 'tools/testing') continue;
      if (groupOf(project.folder) === 'libs') expect(direction).toMatch(/^libs\/nx → libs\/(elf|oci)$/);
      else if (groupOf(used.folder) === 'tools') expect(groupOf(project.folder), direction).toBe('tools');
      else expect(groupOf(used.folder), direction).toBe('libs');
    }
  });

  it('has no circle', () => {
    const reaches = (from: Project, seen: readonly string[]): void => {
      expect(seen).not.toContain(from.folder);
      for (const used of projectsUsedBy(from)) reaches(used, [...seen, from.folder]);
    };
    for (const project of projects) reaches(project, []);
  });
});

describe('the inputs of release:build-binaries', () => {
  it('hold every project that the app is compiled from', () => {
    const { targets } = JSON.parse(readFileSync(join(ROOT, 'tools/release/project.json'), 'utf8'));
    const hashed = targets['build-binaries'].inputs.flatMap(
      (input: { readonly projects?: readonly string[] }) => input.projects ?? [],
    );
    const nxName = (project: Project): string => {
      if (project.folder === 'apps/mount-monitor') return 'app';
      return JSON.parse(readFileSync(join(ROOT, project.folder, 'package.json'), 'utf8')).nx.name;
    };
    const compiledFrom = (project: Project): readonly Project[] => [
      project,
      ...projectsUsedBy(project).flatMap(compiledFrom),
    ];
    const app = projects.find(({ folder }) => folder === 'apps/mount-monitor');
    expect(app).toBeDefined();
    for (const project of app === undefined ? [] : compiledFrom(app))
      expect(hashed).toContain(nxName(project));
  });
});
