import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readWorkflow } from '@prebuilt/rehearsal';
import { execa } from 'execa';
import { describe, expect, it } from 'vitest';

const ROOT = join(import.meta.dirname, '../../..');

/** The cells of the table under a heading, row by row, without its header. */
function table(text: string, heading: string): readonly (readonly string[])[] {
  const [, section = ''] = text.split(`## ${heading}\n`);
  const lines = (section.split('\n## ')[0] ?? '').split('\n').filter((line) => line.startsWith('|'));
  return lines.slice(2).map((line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}

const named = (text: string): readonly string[] =>
  [...text.matchAll(/`([^`]+)`/g)].map(([, name = '']) => name);
const unique = (names: readonly string[]): readonly string[] => [...new Set(names)].toSorted();

describe('docs/releasing.md', async () => {
  const text = readFileSync(join(ROOT, 'docs/releasing.md'), 'utf8');
  const release = await readWorkflow(join(ROOT, '.github/workflows/release.yml'));
  const ci = await readWorkflow(join(ROOT, '.github/workflows/ci.yml'));
  const jobs = table(text, 'What each job does');

  it('docs/releasing.md has a row for each job, in order, with its needs and permissions', () => {
    expect(jobs.map(([job = '', needs = '', may = '']) => [named(job), named(needs), may])).toEqual(
      Object.entries(release.jobs).map(([id, { needs = [], permissions = {} }]) => [
        [id],
        [needs].flat(),
        Object.entries(permissions)
          .map(([name, access]) => `${name}: ${access}`)
          .join(', '),
      ]),
    );
  });

  it('docs/releasing.md lists in each row exactly the targets that the job runs', () => {
    for (const [job = '', , , does = ''] of jobs) {
      const [id = ''] = named(job);
      const scripts = release.jobs[id]?.steps.map(({ run = '' }) => run).join('\n') ?? '';
      const targets = (from: string) =>
        unique(
          [...from.matchAll(/release:([a-z-]+)|--projects=release --targets=([a-z,-]+)/g)].flatMap(
            ([, one, many = '']) => one ?? many.split(','),
          ),
        );
      expect([id, targets(does)]).toEqual([id, targets(scripts)]);
    }
  });

  it('docs/releasing.md mentions only existing targets and generators', async () => {
    const { stdout } = await execa('npx', ['nx', 'show', 'project', 'release', '--json'], {
      cwd: ROOT,
      env: { NX_DAEMON: 'false' },
    });
    const { targets }: { targets: Readonly<Record<string, unknown>> } = JSON.parse(stdout);
    const mentioned = unique([...text.matchAll(/release:([a-z-]+)/g)].map(([, name = '']) => name));
    expect(mentioned.filter((name) => !(name in targets))).toEqual([]);
    const { generators } = JSON.parse(readFileSync(join(ROOT, 'libs/nx/generators.json'), 'utf8'));
    const called = [...text.matchAll(/@prebuilt\/nx:([a-z-]+)/g)].map(([, name = '']) => name);
    expect(called).not.toEqual([]);
    expect(called.filter((name) => !(name in generators))).toEqual([]);
  });

  it('docs/releasing.md lists exactly the variables, secrets and environments of the workflows', () => {
    const used = [release, ci].flatMap((workflow) =>
      [...workflow.text.matchAll(/\b(?:vars|secrets)\.([A-Z_]+)/g)].map(([, name = '']) => name),
    );
    const environments = Object.values(release.jobs).flatMap(({ environment }) => environment ?? []);
    const settings = table(text, 'Set up the repository').flatMap(([what = '']) => named(what));
    expect(unique(settings)).toEqual(
      unique([...used.filter((name) => name !== 'GITHUB_TOKEN'), ...environments]),
    );
    expect(environments).toEqual(['release']);
  });

  it('docs/releasing.md explains failures only of existing jobs', () => {
    const told = table(text, 'Recover').flatMap(
      ([seen = '']) => /^((?:`[a-z]+`(?:, )?)+)/.exec(seen)?.[1] ?? [],
    );
    const ids = told.flatMap(named);
    expect(ids.length).toBeGreaterThan(8);
    expect(ids.filter((id) => !(id in release.jobs))).toEqual([]);
  });

  it('docs/releasing.md mentions only existing files', () => {
    const paths = named(text.replaceAll(/^```[\s\S]*?^```$/gm, '')).filter((name) =>
      /^(\.github|tools|libs|docs|apps)\//.test(name),
    );
    expect(paths.length).toBeGreaterThan(2);
    expect(paths.filter((path) => !existsSync(join(ROOT, path)))).toEqual([]);
  });

  it('only jobs that compile fetch more than packages, as docs/releasing.md says', () => {
    const fetching = Object.entries(release.jobs).filter(([, { steps }]) =>
      steps.some(({ run }) => run === './bootstrap'),
    );
    expect(fetching.map(([id]) => id)).toEqual(['test', 'build']);
  });
});
