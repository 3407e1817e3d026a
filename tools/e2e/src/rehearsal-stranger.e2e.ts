import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import {
  type IdentityTokens,
  type RunEvent,
  type RunnerOptions,
  readWorkflow,
  runWorkflow,
  scheduleRuns,
  startIdentityTokens,
  starts,
  type Workflow,
  type WorkflowRun,
} from '@prebuilt/rehearsal';
import { engineEnvironment, requireEngine } from '@prebuilt/testing/engine';
import { GIT_AUTHOR } from '@prebuilt/testing/git';
import { type FakeGitHub, startFakeGitHub } from '@prebuilt/testing/github';
import { type FaultProxy, startFaultProxy } from '@prebuilt/testing/registry';
import { startSigstore } from '@prebuilt/testing/sigstore';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { TOOL } from './stranger/programs.ts';
import { failures, imageTags, job, results, sha256 } from './testing/rehearsed-run.ts';
import { PLUGINS_IN_ONE_PROCESS, runOk, THIS_WORKSPACE, userEnvironment } from './testing/workspace.ts';

const REPOSITORY = 'stranger/programs';
const TOKEN = `ghs_canary${randomBytes(12).toString('hex')}`;
const REGISTRY_PASSWORD = `registry-canary${randomBytes(12).toString('hex')}`;

/** How a workspace with two programs names their tags. */
interface Pattern {
  /** The release settings in nx.json. */
  readonly release: object;
  readonly tagOf: (program: string, version: string) => string;
}

const OWN: Pattern = {
  release: { projectsRelationship: 'independent' },
  tagOf: (program, version) => `${program}@${version}`,
};
const COMMON: Pattern = {
  release: { projectsRelationship: 'fixed', releaseTag: { pattern: 'suite-v{version}' } },
  tagOf: (_, version) => `suite-v${version}`,
};
const engine = await engineEnvironment();
const disposables = new AsyncDisposableStack();

/** The jobs in which a release fails, in order: the machine dies before the script, or GitHub refuses a request. */
const POINTS = ['build', 'verify', 'draft', 'docker', 'release'] as const;
type Point = (typeof POINTS)[number];

/** An outside user's repository with its generated workflows, and the services that they use. */
interface Repository {
  readonly github: FakeGitHub;
  /** In front of the registry. */
  readonly proxy: FaultProxy;
  readonly identity: IdentityTokens;
  workflow(program: string): Promise<Workflow>;
  /** Commits the programs, which print the text, and pushes the commit and the version's tag, even if there is one. */
  push(program: string, version: string, text?: string): Promise<RunEvent>;
  /** Runs a workflow; with `former`, makes another attempt at that run. */
  run(
    workflow: Workflow,
    event: RunEvent,
    former?: WorkflowRun,
    more?: Partial<RunnerOptions>,
  ): Promise<WorkflowRun>;
  /** The digest of each tag of a program's image. */
  tags(program: string): Promise<Readonly<Record<string, string>>>;
}

async function repositoryOf({ release, tagOf }: Pattern): Promise<Repository> {
  if (!engine.available) throw new Error('no engine');
  const { environment } = engine;
  const folder = await mkdtemp(join(tmpdir(), 'stranger-rehearsal-'));
  disposables.defer(() => rm(folder, { recursive: true, force: true }));
  const root = join(folder, 'programs');
  const origin = join(folder, 'origin.git');
  const git = (...args: readonly string[]) => runOk(root, 'git', [...GIT_AUTHOR, ...args]);
  const write = async (path: string, content: string): Promise<void> => {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), content);
  };
  await mkdir(root);
  await runOk(folder, 'git', ['init', '--quiet', '--bare', '--initial-branch=main', origin]);
  await runOk(origin, 'git', ['config', 'uploadpack.allowAnySHA1InWant', 'true']);
  await git('init', '--quiet', '--initial-branch=main');
  await git('remote', 'add', 'origin', origin);
  await write('package.json', JSON.stringify({ name: 'programs', private: true, type: 'module' }));
  await write('.gitignore', 'node_modules\ndist/\nout/\n.nx/\n.cache/\n');
  await write(
    'nx.json',
    JSON.stringify({
      plugins: ['@prebuilt/nx'],
      analytics: false,
      neverConnectToCloud: true,
      cacheDirectory: '.nx/cache',
      release,
    }),
  );
  // One with an image and a page, and one with only an image.
  for (const [program, configuration] of [
    ['server', {}],
    ['agent', { page: false }],
  ] as const) {
    for (const [path, content] of Object.entries(TOOL))
      await write(path.replace('tool', program), content.replaceAll(/\btool\b/g, program));
    const toolchain = {
      name: 'import',
      files: `out/${program}-{arch}`,
      dependsOn: ['make'],
    };
    await write(
      `apps/${program}/prebuilt.json`,
      JSON.stringify({ toolchain, platforms: ['linux/amd64'], ...configuration }),
    );
  }
  const warm = (workspace: string) =>
    symlink(join(THIS_WORKSPACE, 'node_modules'), join(workspace, 'node_modules'));
  await warm(root);
  // The packages are not published: a machine that already has them stands in for an installation.
  await runOk(root, 'npx', ['nx', 'g', '@prebuilt/nx:ci-workflow', '--install=test -e node_modules']);
  const github = await startFakeGitHub({ repository: REPOSITORY, token: TOKEN, tags: {}, immutable: true });
  disposables.use(github);
  const identity = await startIdentityTokens();
  disposables.use(identity);
  const sigstore = await startSigstore();
  disposables.defer(() => sigstore.close());
  const proxy = await startFaultProxy(environment.REGISTRY);
  disposables.defer(() => proxy.close());
  const images = `${proxy.host}/rehearsal-${process.pid}-${sha256(folder).slice(0, 8)}`;
  const imageOf = (program: string) => `${images}/${program}`;
  const { PATH } = userEnvironment();
  const options: RunnerOptions = {
    folder,
    origin,
    repository: REPOSITORY,
    token: TOKEN,
    vars: {
      IMAGE_SERVER: imageOf('server'),
      IMAGE_AGENT: imageOf('agent'),
      REGISTRY: proxy.host,
      REGISTRY_USERNAME: 'robot',
    },
    secrets: { REGISTRY_PASSWORD },
    env: {
      ...userEnvironment(),
      ...PLUGINS_IN_ONE_PROCESS,
      ...environment,
      PATH: `${environment.PATH.split(':')[0]}:${PATH}`,
      GITHUB_API_URL: github.baseUrl,
      FULCIO_URL: sigstore.services.fulcioURL,
      REKOR_URL: sigstore.services.rekorURL,
    },
    dockerConfig: environment.DOCKER_CONFIG,
    caches: new Map(),
    warm,
    identity,
    sign: sigstore.sign,
  };
  return {
    github,
    proxy,
    identity,
    workflow: (program) => readWorkflow(join(root, `.github/workflows/release-${program}.yml`)),
    push: async (program, version, text = version) => {
      for (const each of ['server', 'agent']) await write(`apps/${each}/version.txt`, `${text}\n`);
      await git('add', '--all');
      await git('commit', '--quiet', '--allow-empty', '-m', `feat: ${program} ${version}`);
      const tag = tagOf(program, version);
      await git('tag', '--force', tag);
      await git('push', '--quiet', '--force', 'origin', 'main', `refs/tags/${tag}`);
      const sha = (await git('rev-parse', 'HEAD')).trim();
      github.setTag(tag, sha);
      return { event: 'push', ref: `refs/tags/${tag}`, sha };
    },
    run: (workflow, event, former, more) => runWorkflow(workflow, event, { ...options, ...more }, former),
    tags: (program) => imageTags(imageOf(program)),
  };
}

const WITH_PAGE = ['plan', 'test', 'build', 'verify', 'attest', 'draft', 'docker', 'release'];
const IMAGE_ALONE = ['plan', 'test', 'build', 'verify', 'attest', 'docker'];
const all = (jobs: readonly string[]): string => jobs.map((id) => `${id} success`).join(', ');

describe('the generated workflows of an outside user with two programs', { timeout: 900_000 }, () => {
  beforeEach(({ skip }) => {
    requireEngine(engine, skip);
  });
  afterAll(() => disposables.disposeAsync());

  describe('with tags that name the program', () => {
    let own: Repository;
    let server: Workflow;

    beforeAll(async () => {
      if (!engine.available) return;
      own = await repositoryOf(OWN);
      server = await own.workflow('server');
    }, 300_000);

    it('the workflows release only the program that the tag names', async () => {
      const event = await own.push('agent', '1.0.0');
      const agent = await own.workflow('agent');
      expect([starts(agent, event), starts(server, event)]).toEqual([true, false]);
      const pages = own.github.releases.length;
      const run = await own.run(agent, event);
      expect(failures(run)).toBe('');
      expect(results(run)).toBe(all(IMAGE_ALONE));
      const { digest } = job(run, 'docker').outputs;
      expect(await own.tags('agent')).toMatchObject({ '1.0.0': digest, latest: digest });
      expect(own.github.releases).toHaveLength(pages);
    });

    it('the workflows release each of three tags pushed at once, and move latest only to the highest', async () => {
      const versions = ['2.0.0', '1.9.9', '2.0.1'];
      const events: RunEvent[] = [];
      for (const version of versions) events.push(await own.push('server', version));
      const { ran, cancelled } = scheduleRuns(server.concurrency, events);
      expect(cancelled).toEqual([]);
      const digests: (string | undefined)[] = [];
      for (const [index, event] of ran.entries()) {
        const run = await own.run(server, event, undefined, index === 0 ? {} : SHOWN);
        expect(failures(run)).toBe('');
        expect(results(run)).toBe(all(WITH_PAGE));
        digests.push(job(run, 'docker').outputs.digest);
      }
      const tags = await own.tags('server');
      expect(versions.map((version) => tags[version])).toEqual(digests);
      expect(tags.latest).toBe(tags['2.0.1']);
      expect(own.github.releases.filter(({ draft }) => !draft).map(({ tag }) => tag)).toEqual(
        versions.map((version) => `server@${version}`),
      );
      expect(own.github.latestTag()).toBe('server@2.0.1');
    });

    it('the workflows refuse a tag that was released with different content', async () => {
      const state = async () => [await own.tags('server'), JSON.stringify(own.github.releases)];
      const before = await state();
      const run = await own.run(server, await own.push('server', '2.0.1', '2.0.1 again'), undefined, SHOWN);
      expect(results(run)).toMatch(/draft failure, docker skipped, release skipped$/);
      expect(job(run, 'draft').log).toMatch(/error RELEASE_CONFLICT: server@2\.0\.1: GitHub has other files/);
      expect(await state()).toEqual(before);
    });

    it('the workflows leave a draft and no tag if the registry fails, and finish on the next attempt: an older line moves neither latest tag nor latest page, and a private repository attests nothing', async () => {
      const hidden = { visibility: 'private', ...SHOWN } as const;
      const page = () => own.github.releases.find(({ tag }) => tag === 'server@1.8.5');
      const before = await own.tags('server');
      const signed = own.identity.issued.length;
      const event = await own.push('server', '1.8.5');
      own.proxy.inject((step) => (/^(manifest|tag) PUT/.test(step) ? 'denied' : undefined));
      const broken = await own.run(server, event, undefined, hidden);
      own.proxy.inject(() => undefined);
      expect(results(broken)).toMatch(/draft success, docker failure, release skipped$/);
      expect(job(broken, 'docker').log).toContain('refused for the test');
      expect(page()?.draft).toBe(true);
      expect(await own.tags('server')).toEqual(before);

      const again = await own.run(server, event, broken, hidden);
      expect(failures(again)).toBe('');
      expect(results(again)).toBe(all(WITH_PAGE));
      expect(job(again, 'docker').log).not.toContain('::group::npx nx run server:docker-release');
      const { digest } = job(again, 'docker').outputs;
      expect(await own.tags('server')).toEqual({
        ...before,
        '1.8.5': digest,
        'v1.8.5': digest,
        '1.8': digest,
      });
      expect(page()).toMatchObject({ draft: false, prerelease: false });
      expect(own.github.latestTag()).toBe('server@2.0.1');

      const both = [broken, again];
      expect(both.flatMap(({ attestations }) => attestations)).toEqual([]);
      expect(own.identity.issued).toHaveLength(signed);
      expect(job(again, 'attest').summary).toContain('Not attested');
      const told = JSON.stringify(both.flatMap(({ jobs }) => jobs));
      expect([TOKEN, REGISTRY_PASSWORD].filter((secret) => told.includes(secret))).toEqual([]);
    });

    /** The public parts of a server version: the digest of its image, and the files on its page with their hashes. */
    const published = async (version: string) => {
      const page = own.github.releases.find(({ tag, draft }) => tag === `server@${version}` && !draft);
      const files = page?.assets.map(({ name, content }) => [name, sha256(content)]);
      return { image: (await own.tags('server'))[version], files };
    };

    it.each([
      ['failed', '2.1.0-rc.1'],
      ['all', '2.2.0'],
    ] as const)(
      'the workflows complete a release that failed five times, rerunning %s jobs each time, and keep its bytes',
      async (rerun, version) => {
        const event = await own.push('server', version);
        let former: WorkflowRun | undefined;
        for (const point of POINTS) {
          former = await own.run(server, event, former, { rerun, ...SHOWN, ...failingAt(point) });
          own.github.setFault(undefined);
          const before = WITH_PAGE.slice(0, WITH_PAGE.indexOf(point));
          expect(results(former)).toMatch(
            new RegExp(
              `^${[...before.map((id) => `${id} success`), `${point} failure`].join(', ')}(, \\w+ skipped)*$`,
            ),
          );
          expect((await published(version)).files).toBeUndefined();
        }
        const built = (await published(version)).image;
        expect(built).toBeDefined();
        const done = await own.run(server, event, former, { rerun, ...SHOWN });
        expect(failures(done)).toBe('');
        expect(results(done)).toBe(all(WITH_PAGE));
        const first = await published(version);
        expect(first.image).toBe(built);
        expect(first.files?.map(([name]) => name)).toContain('server-linux-amd64');
        const again = await own.run(server, event, done, { rerun: 'all', ...SHOWN });
        expect(failures(again)).toBe('');
        expect(await published(version)).toEqual(first);
        // A prerelease is not the latest.
        const latest = version.includes('-') ? '2.0.1' : version;
        const tags = await own.tags('server');
        expect(tags.latest).toBe(tags[latest]);
        expect(own.github.latestTag()).toBe(`server@${latest}`);
        const page = own.github.releases.find(({ tag, draft }) => tag === `server@${version}` && !draft);
        expect(page?.prerelease).toBe(version.includes('-'));
      },
    );

    /** The releases before have shown these scripts, and the failures are elsewhere. */
    const SHOWN = {
      shown: (script: string) => /:lock --fetch| server:plan|run-many .*\btest\b/.test(script),
    };

    /** Makes a run fail at a point: the machine dies before the script, or GitHub refuses halfway through. */
    function failingAt(point: Point): Partial<RunnerOptions> {
      const target = {
        build: 'build-binaries',
        verify: ':verify',
        draft: ':github-draft',
        docker: ':docker-publish',
        release: ':github-release',
      }[point];
      const half = {
        draft: (method: string, path: string) => method === 'POST' && path.includes('/assets?name=server'),
        release: (method: string) => method === 'PATCH',
      };
      return {
        mishap: async (_, script) => {
          if (!script.includes(target)) return;
          if (point !== 'draft' && point !== 'release')
            throw new Error('The runner has received a shutdown signal.');
          own.github.setFault(({ method, path }) =>
            half[point](method, path)
              ? { kind: 'status', status: 403, message: 'Resource not accessible by integration' }
              : undefined,
          );
        },
      };
    }
  });

  it('the workflows release both programs if they have one tag in common, one of them on its page', async () => {
    const common = await repositoryOf(COMMON);
    const event = await common.push('server', '3.0.0');
    for (const [program, jobs] of [
      ['server', WITH_PAGE],
      ['agent', IMAGE_ALONE],
    ] as const) {
      const workflow = await common.workflow(program);
      expect(starts(workflow, event)).toBe(true);
      const run = await common.run(workflow, event);
      expect(failures(run)).toBe('');
      expect(results(run)).toBe(all(jobs));
      const { digest } = job(run, 'docker').outputs;
      expect(await common.tags(program)).toMatchObject({ '3.0.0': digest, latest: digest });
    }
    expect(common.github.releases.map(({ tag, draft }) => [tag, draft])).toEqual([['suite-v3.0.0', false]]);
    expect(common.github.latestTag()).toBe('suite-v3.0.0');
  });
});
