import { appendFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type FakeGitHub, startFakeGitHub } from '@prebuilt/testing/github';
import { type FakeRegistry, startFakeRegistry } from '@prebuilt/testing/registry';
import { MANAGERS } from '../stranger/managers.ts';
import type { PackageRegistry } from '../stranger/package-registry.ts';
import { npmSettings, type Tools } from '../stranger/tools.ts';
import { commandsIn, installWithBun } from '../stranger/workspace.ts';
import { type FakeNpm, startFakeNpm } from './fake-npm.ts';
import { RELEASE, RELEASED } from './programs.ts';

const TOKEN = 'a-token';
const REPOSITORY = 'acme/programs';
const NX = '23.2.1';

/** Everything that a release changed. */
export interface Release {
  readonly exitCode: number;
  readonly output: string;
  /** New tags in git. */
  readonly gitTags: readonly string[];
  /** Tags that moved in the image registry, as `name:tag`, in order. */
  readonly imageTags: readonly string[];
  /** Newly published pages. */
  readonly pages: readonly string[];
  /** The tag of the page that GitHub marks as latest. */
  readonly latestPage: string | undefined;
  /** New packages in the npm registry. */
  readonly packages: readonly string[];
  /** Write requests to the registries and GitHub. */
  readonly writes: readonly string[];
  /** The number of read requests to them. */
  readonly reads: number;
}

/** A workspace that is released with `nx release` to registries and a GitHub on loopback. */
export interface ReleasingWorkspace extends AsyncDisposable {
  readonly github: FakeGitHub;
  readonly registry: FakeRegistry;
  /** Runs git in the workspace's root, and returns its output. */
  git(...args: readonly string[]): Promise<string>;
  /** Changes a file and commits it. */
  change(path: string, content: string, message: string): Promise<void>;
  /** Runs `nx release …`. */
  release(...args: readonly string[]): Promise<Release>;
}

/** Makes a workspace in a new folder, with the published packages and Nx's plugin for npm packages installed. */
export async function releasingWorkspace(
  packages: PackageRegistry,
  tools: Tools,
): Promise<ReleasingWorkspace> {
  const root = await mkdtemp(join(tmpdir(), 'releases-'));
  const remote = join(root, '.git/remote.git');
  const [registry, npm]: [FakeRegistry, FakeNpm] = await Promise.all([startFakeRegistry(), startFakeNpm()]);
  const commands = commandsIn(root, { manager: 'npm', node: 24 }, tools);
  const { write, run, nx } = commands;
  const git = (...args: readonly string[]) => run('git', args);
  const json = (path: string, value: object) => write(path, JSON.stringify(value, null, 2));
  await json('package.json', {
    name: 'releases',
    private: true,
    license: 'MIT',
    workspaces: ['packages/*'],
    devDependencies: { '@nx/js': NX, '@prebuilt/nx': '*', nx: NX },
  });
  await json('nx.json', {
    analytics: false,
    neverConnectToCloud: true,
    cacheDirectory: '.nx/cache',
    plugins: [{ plugin: '@prebuilt/nx', options: { repository: `${registry.host}/{projectName}` } }],
    release: RELEASE,
  });
  await write('.gitignore', 'node_modules\ndist\n.nx\n.npmrc\nbunfig.toml\n');
  const sources = { ...(await npmSettings(root)), published: packages.url };
  const acme = `@acme:registry=${npm.url}/\n${npm.url.replace('http:', '')}/:_authToken=any\n`;
  const settings = { ...MANAGERS.npm.files(sources), ...MANAGERS.bun.files(sources) };
  for (const [path, content] of Object.entries({ ...settings, ...RELEASED })) await write(path, content);
  await appendFile(join(root, '.npmrc'), acme);
  await installWithBun(commands, tools);
  await git('init', '--quiet', '--initial-branch=main');
  await git('init', '--quiet', '--bare', remote);
  await git('remote', 'add', 'origin', remote);
  await git('config', 'user.name', 'Ada');
  await git('config', 'user.email', 'ada@example.com');
  await git('add', '--all');
  await git('commit', '--quiet', '--message=feat: programs to release');
  const github = await startFakeGitHub({ repository: REPOSITORY, token: TOKEN, tags: {}, gitFolder: remote });
  const env = {
    GITHUB_TOKEN: TOKEN,
    GITHUB_REPOSITORY: REPOSITORY,
    GITHUB_API_URL: github.baseUrl,
  };
  const state = async () => ({
    gitTags: (await git('tag', '--list')).split('\n').filter(Boolean),
    moves: registry.tagMoves.length,
    pages: github.releases.filter(({ draft }) => !draft).map(({ tag }) => tag),
    packages: npm.published.length,
    requests: [registry.log.length, github.requests.length, npm.requests.length] as const,
  });
  const isNew = (before: readonly string[]) => (each: string) => !before.includes(each);
  return {
    github,
    registry,
    git,
    async change(path, content, message) {
      await write(path, content);
      await git('add', path);
      await git('commit', '--quiet', `--message=${message}`);
    },
    async release(...args) {
      const before = await state();
      const { exitCode, output } = await nx(['release', ...args], env);
      const after = await state();
      const requests = [
        ...registry.log.slice(before.requests[0]),
        ...github.requests.slice(before.requests[1]).map(({ method, path }) => `${method} ${path}`),
        ...npm.requests.slice(before.requests[2]),
      ];
      const writes = requests.filter((request) => !/^(GET|HEAD) /.test(request));
      return {
        exitCode,
        output,
        gitTags: after.gitTags.filter(isNew(before.gitTags)),
        imageTags: registry.tagMoves.slice(before.moves).map(([key]) => key),
        pages: after.pages.filter(isNew(before.pages)),
        latestPage: github.latestTag(),
        packages: npm.published.slice(before.packages),
        writes,
        reads: requests.length - writes.length,
      };
    },
    async [Symbol.asyncDispose]() {
      await Promise.all([registry.close(), npm[Symbol.asyncDispose](), github[Symbol.asyncDispose]()]);
      // Processes that Nx started may still be writing.
      await rm(root, { recursive: true, force: true, maxRetries: 10 });
    },
  };
}
