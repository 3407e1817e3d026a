import { stripVTControlCharacters } from 'node:util';
import { describe, expect, it } from 'vitest';
import { nxCommand, run, THIS_WORKSPACE } from '../testing/workspace.ts';
import type { Release, ReleasingWorkspace } from './releasing-workspace.ts';

/** A workspace after its releases, which are keyed by name. */
export interface Released {
  readonly workspace: ReleasingWorkspace;
  readonly releases: ReadonlyMap<string, Release>;
}

/** Makes several releases, each following the one before, as in a real repository. */
export async function makeReleases(workspace: ReleasingWorkspace): Promise<Released> {
  const releases = new Map<string, Release>();
  const { release, change, git, github } = workspace;
  const note = async (name: string, ...args: readonly string[]): Promise<void> => {
    releases.set(name, await release(...args));
  };
  await note('first', '1.0.0', '--first-release', '--yes', '--otp=123456');
  await change('services/agent/source.txt', 'agent two\n', 'feat: agent two');
  await note('dry', 'minor', '--projects=agent', '--yes', '--dry-run');
  await note('one', 'minor', '--projects=agent', '--yes');
  await note('group', 'patch', '--groups=suite', '--yes');
  await note('prerelease', 'prerelease', '--preid=rc', '--projects=relay', '--yes');
  await git('checkout', '--quiet', '-b', '1.0.x', 'agent@1.0.0');
  await change('services/agent/source.txt', 'agent fixed\n', 'fix: agent fixed');
  await note('backport', 'patch', '--projects=agent', '--yes');
  await git('checkout', '--quiet', 'main');
  await change('services/relay/source.txt', 'relay two\n', 'feat: relay two');
  github.setFault(({ method, path }) =>
    method === 'POST' && path.includes('/assets?name=relay')
      ? { kind: 'status', status: 403, message: 'Resource not accessible by integration' }
      : undefined,
  );
  await note('cut', 'minor', '--projects=agent,relay', '--yes');
  github.setFault(undefined);
  await note('again', 'publish');
  return { workspace, releases };
}

const tagsOf = (name: string, ...tags: readonly string[]) => tags.map((tag) => `${name}:${tag}`);

/** Tests what each release changed. */
export function testReleases(released: () => Released): void {
  const of = (name: string): Release => released().releases.get(name) as Release;
  describe('nx release of programs', () => {
    it('nx release releases programs along with npm packages, with an option that only npm knows', () => {
      expect(of('first')).toMatchObject({
        exitCode: 0,
        gitTags: ['@acme/util@1.0.0', 'agent@1.0.0', 'relay@1.0.0', 'suite-v1.0.0'],
        imageTags: ['agent', 'relay', 'left'].flatMap((name) =>
          tagsOf(name, '1.0.0', 'v1.0.0', '1.0', '1', 'latest'),
        ),
        pages: ['agent@1.0.0', 'relay@1.0.0', 'suite-v1.0.0'],
        packages: ['@acme/util@1.0.0'],
      });
    });

    it('nx release sends nothing in a dry run, makes no tag, and prints the plans', () => {
      const { output, ...dry } = of('dry');
      expect(dry).toMatchObject({ exitCode: 0, gitTags: [], imageTags: [], pages: [], writes: [] });
      expect(dry.reads).toBeGreaterThan(0);
      expect(output).toContain('agent@1.1.0: a new draft');
      expect(output).toContain('move   latest  (1.1.0 is the highest stable version)');
    });

    it('nx release releases only the given project', () => {
      expect(of('one')).toMatchObject({
        exitCode: 0,
        gitTags: ['agent@1.1.0'],
        imageTags: tagsOf('agent', '1.1.0', 'v1.1.0', '1.1', '1', 'latest'),
        pages: ['agent@1.1.0'],
        latestPage: 'agent@1.1.0',
        packages: [],
      });
    });

    it('nx release puts the changelog that Nx wrote on the page', () => {
      const page = released().workspace.github.releases.find(({ tag }) => tag === 'agent@1.1.0');
      expect(page?.body).toContain('## Changes since agent@1.0.0\n\n### 🚀 Features\n\n- agent two');
      expect(page?.body).toContain('### ❤️ Thank You\n\n- Ada');
      expect(page?.body).not.toContain('gh attestation');
    });

    it('nx release writes each release into CHANGELOG.md, above the one before', async () => {
      const text = await released().workspace.git('show', 'agent@1.1.0:services/agent/CHANGELOG.md');
      expect(text.match(/^#+ \d.*? /gm)).toEqual(['## 1.1.0 ', '# 1.0.0 ']);
      expect(text).toContain('- agent two');
    });

    it('nx release in this workspace writes the changelogs of mount-monitor and of each package', async () => {
      const { file, env } = nxCommand(THIS_WORKSPACE);
      const args = ['release', '999.0.0', '--first-release', '--skip-publish', '--dry-run'];
      const ended = await run(THIS_WORKSPACE, file, args, env);
      const output = stripVTControlCharacters(ended.output);
      expect(ended.exitCode, output).toBe(0);
      expect(output).toContain('release 🏷️  999.0.0 is not written to any file');
      expect(output.match(/^\+ # 999\.0\.0 /gm)).toHaveLength(4);
      const written = [...output.matchAll(/^(?:CREATE|UPDATE) (\S*CHANGELOG\.md) \[dry-run\]$/gm)];
      expect(written.map(([, path]) => path).toSorted()).toEqual([
        'CHANGELOG.md',
        ...['elf', 'nx', 'oci'].map((name) => `libs/${name}/CHANGELOG.md`),
      ]);
    });

    it('nx release gives a group one version: the image of one program and the page of the other', () => {
      expect(of('group')).toMatchObject({
        exitCode: 0,
        gitTags: ['suite-v1.0.1'],
        imageTags: tagsOf('left', '1.0.1', 'v1.0.1', '1.0', '1', 'latest'),
        pages: ['suite-v1.0.1'],
      });
    });

    it('a prerelease moves only its own tags', () => {
      expect(of('prerelease')).toMatchObject({
        exitCode: 0,
        gitTags: ['relay@1.0.1-rc.0'],
        imageTags: tagsOf('relay', '1.0.1-rc.0', 'v1.0.1-rc.0'),
        pages: ['relay@1.0.1-rc.0'],
        latestPage: of('group').latestPage,
      });
    });

    it('a backport moves the tags of its older line', () => {
      expect(of('backport')).toMatchObject({
        exitCode: 0,
        gitTags: ['agent@1.0.1'],
        imageTags: tagsOf('agent', '1.0.1', 'v1.0.1', '1.0'),
        pages: ['agent@1.0.1'],
        latestPage: of('group').latestPage,
      });
    });

    it('nx release resumes where it stopped, and leaves published releases alone', () => {
      const [agent, relay] = ['agent', 'relay'].map((name) =>
        released().workspace.github.releases.filter(({ tag, draft }) => tag.startsWith(`${name}@`) && !draft),
      );
      expect(of('cut')).toMatchObject({ exitCode: 1, pages: ['agent@1.2.0'] });
      expect(of('cut').imageTags).toEqual(tagsOf('agent', '1.2.0', 'v1.2.0', '1.2', '1', 'latest'));
      expect(of('again')).toMatchObject({ exitCode: 0, gitTags: [], pages: ['relay@1.1.0'] });
      expect(of('again').imageTags).toEqual(tagsOf('relay', '1.1.0', 'v1.1.0', '1.1', '1', 'latest'));
      expect(of('again').output).toContain('left: skipped, because HEAD has no tag suite-v{version}');
      expect([agent?.length, relay?.length]).toEqual([4, 3]);
    });
  });
}
