import { randomBytes } from 'node:crypto';
import { readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import {
  type ContainerEngine,
  type EngineClient,
  type IdentityTokens,
  ISSUER,
  type RunEvent,
  type RunnerOptions,
  readWorkflow,
  runWorkflow,
  startIdentityTokens,
  starts,
  type Workflow,
  type WorkflowRun,
} from '@prebuilt/rehearsal';
import { DEFAULT_HOME, engineEnvironment, requireEngine, skipOutsideCi } from '@prebuilt/testing/engine';
import { GIT_AUTHOR } from '@prebuilt/testing/git';
import { type FakeGitHub, startFakeGitHub } from '@prebuilt/testing/github';
import { type SigstoreServices, startSigstore } from '@prebuilt/testing/sigstore';
import { execa } from 'execa';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { jobContainers } from './testing/job-containers.ts';
import { type RehearsedProject, rehearsedProject, replaceIn } from './testing/rehearsed-project.ts';
import { failures, imageTags, job, readRegistry, results, sha256 } from './testing/rehearsed-run.ts';
import { type RemoteCache, startRemoteCache } from './testing/remote-cache.ts';
import { readTrace } from './testing/strace.ts';
import {
  missingProgram,
  PLUGINS_IN_ONE_PROCESS,
  THIS_WORKSPACE,
  userEnvironment,
} from './testing/workspace.ts';

const REPOSITORY = 'owner/mount-monitor';
const CANARY = `ghs_canary${randomBytes(12).toString('hex')}`;
const REGISTRY_PASSWORD = `registry-canary${randomBytes(12).toString('hex')}`;
// These are hard links to this machine's own files.
const ASIDE = ['--exclude-dir=node_modules', '--exclude-dir=.cache'];
// Searched only once, in the first run: the other runs are made from the same parts.
const EXECUTABLES = ['--exclude=mount-monitor-linux-*', '--exclude=*.tar'];
const BUNDLE = 'application/vnd.dev.sigstore.bundle.v0.3+json';
const JOBS = ['plan', 'test', 'build', 'verify', 'verify', 'attest', 'draft', 'docker', 'release'];

const engine = await engineEnvironment();
const missing = await missingProgram('strace', 'skopeo');

describe('the rehearsed workflows', { timeout: 900_000 }, () => {
  let release: Workflow;
  let ci: Workflow;
  let project: RehearsedProject;
  let github: FakeGitHub;
  let cache: RemoteCache;
  let containers: ContainerEngine & AsyncDisposable;
  let identity: IdentityTokens;
  let sigstore: SigstoreServices;
  let image: string;
  let options: RunnerOptions;
  const runs: WorkflowRun[] = [];
  /** Files that contained a token, on machines that are gone. */
  const showingFiles: string[] = [];

  beforeEach(({ skip }) => {
    requireEngine(engine, skip);
    if (missing !== undefined) skipOutsideCi(missing, skip);
  });

  const gates = oneAfterAnother();

  beforeAll(async () => {
    if (!engine.available || missing !== undefined) return;
    const workflows = join(THIS_WORKSPACE, '.github/workflows');
    [release, ci] = await Promise.all([
      readWorkflow(join(workflows, 'release.yml')),
      readWorkflow(join(workflows, 'ci.yml')),
    ]);
    project = await rehearsedProject();
    github = await startFakeGitHub({ repository: REPOSITORY, token: CANARY, tags: {}, immutable: true });
    cache = await startRemoteCache({ write: 'cache-write', read: 'cache-read' });
    containers = await jobContainers(engine.environment, [Number(new URL(cache.url).port)]);
    identity = await startIdentityTokens();
    sigstore = await startSigstore();
    const { REGISTRY } = engine.environment;
    image = `${REGISTRY}/rehearsal-${process.pid}/${REPOSITORY}`;
    const { PATH } = userEnvironment();
    options = {
      folder: project.folder,
      origin: project.origin,
      repository: REPOSITORY,
      token: CANARY,
      vars: { IMAGE: image, REGISTRY, REGISTRY_USERNAME: 'robot' },
      secrets: { REGISTRY_PASSWORD },
      env: {
        ...userEnvironment(),
        ...PLUGINS_IN_ONE_PROCESS,
        ...engine.environment,
        PATH: `${engine.environment.PATH.split(':')[0]}:${PATH}`,
        GITHUB_API_URL: github.baseUrl,
        FULCIO_URL: sigstore.services.fulcioURL,
        REKOR_URL: sigstore.services.rekorURL,
      },
      // Machines in the test job share their results here; those on GitHub do not. In other jobs, sharing results would
      // take longer than recomputing them.
      jobEnv: {
        test: {
          NX_SELF_HOSTED_REMOTE_CACHE_SERVER: cache.url,
          NX_SELF_HOSTED_REMOTE_CACHE_ACCESS_TOKEN: 'cache-write',
        },
      },
      dockerConfig: engine.environment.DOCKER_CONFIG,
      caches: new Map(),
      warm: project.warm,
      overlays: project.overlays,
      identity,
      sign: sigstore.sign,
      // It starts the engine, and this machine has only one.
      queue: (script, step) => (script.startsWith('.ci/run ') ? gates(step) : step()),
    };
  }, 300_000);

  afterAll(async () => {
    await sigstore?.close();
    await identity?.[Symbol.asyncDispose]();
    await containers?.[Symbol.asyncDispose]();
    await cache?.[Symbol.asyncDispose]();
    await github?.[Symbol.asyncDispose]();
    await project?.[Symbol.asyncDispose]();
  });

  async function rehearse(
    workflow: Workflow,
    event: RunEvent,
    former?: WorkflowRun,
    more: Partial<RunnerOptions> = {},
  ): Promise<WorkflowRun> {
    const run = await runWorkflow(workflow, event, { ...options, ...more }, former);
    const machines = run.jobs
      .filter((each) => each.folder !== '' && former?.jobs.includes(each) !== true)
      .map(({ folder }) => folder);
    // Later tests inspect the machines of the first run.
    if (runs.length > 0) {
      await Promise.all(
        machines.map(async (machine) => {
          showingFiles.push(...(await filesWith(tokens(), [machine], EXECUTABLES)));
          await rm(machine, { recursive: true });
        }),
      );
    }
    runs.push(run);
    return run;
  }

  /** All secrets so far; a login stores the token in the last form while its job runs. */
  const tokens = () => [
    ...[CANARY, REGISTRY_PASSWORD, ...identity.secrets],
    ...[`somebody:${CANARY}`, `robot:${REGISTRY_PASSWORD}`].map((each) =>
      Buffer.from(each).toString('base64'),
    ),
  ];

  // All commits and branches are made in one clone.
  const alone = oneAfterAnother();

  async function pushTag(tag: string, message: string): Promise<RunEvent> {
    const sha = await project.push(message);
    await project.tag(tag);
    github.setTag(tag, sha);
    return { event: 'push', ref: `refs/tags/${tag}`, sha };
  }

  const all = (result: string): string => JOBS.map((id) => `${id} ${result}`).join(', ');
  const releaseOf = (tag: string) => github.releases.find((each) => each.tag === tag);

  /** The executable in the image that the registry serves for a platform. */
  async function pulledExecutable(reference: string, architecture: string): Promise<Buffer> {
    const layout = join(project.folder, `pulled-${architecture}`);
    await rm(layout, { recursive: true, force: true });
    const choose = ['--override-os=linux', `--override-arch=${architecture}`];
    await execa('skopeo', [
      ...choose,
      'copy',
      '--quiet',
      '--src-tls-verify=false',
      `docker://${reference}`,
      `dir:${layout}`,
    ]);
    const { layers }: { layers: readonly { digest: string }[] } = JSON.parse(
      await readFile(join(layout, 'manifest.json'), 'utf8'),
    );
    const last = join(layout, layers.at(-1)?.digest.replace('sha256:', '') ?? '');
    const unpacked = await execa('tar', ['--extract', '--to-stdout', '--file', last, 'mount-monitor'], {
      encoding: 'buffer',
      maxBuffer: 512 * 1024 * 1024,
    });
    return Buffer.from(unpacked.stdout);
  }

  let first: WorkflowRun;
  /** Skips the test gate: the first release passes it and a later one is held back by it. */
  const PAST_THE_GATE = { shown: (script: string) => script.startsWith('.ci/run ') };

  it('the release workflow takes v1.2.3 from its tag to a published release', async () => {
    const event = await pushTag('v1.2.3', 'feat: the first release');
    const bootstrapped: Record<string, EngineContainer> = {};
    // As on GitHub: a process for each plugin.
    const { NX_ISOLATE_PLUGINS: _, ...env } = options.env;
    first = await rehearse(release, event, undefined, {
      env,
      traced: ['docker'],
      // In this run only: a container shows the same each time, and its engine takes seconds to start.
      containers,
      mishap: async (key, script, workspace) => {
        if (script !== './bootstrap') return;
        bootstrapped[key] = await containerWith(containers.client, join(workspace, '../..'));
      },
    });
    expect(failures(first)).toBe('');
    expect(results(first)).toBe(all('success'));
    // What the engine made, not what it was told.
    const workspace = '/__w/mount-monitor/mount-monitor';
    expect(bootstrapped).toMatchObject({
      test: { workspace, privileged: true, cgroups: 'host', volumes: [DEFAULT_HOME] },
      build: { workspace, privileged: false, cgroups: 'private', volumes: [] },
    });
    // The job's own engine, on its volume: the one on this machine is not seen.
    expect(job(first, 'test').log).toContain('dockerd: started');
    const published = releaseOf('v1.2.3');
    expect(published).toMatchObject({ draft: false, prerelease: false, immutable: true });
    expect(github.latestTag()).toBe('v1.2.3');

    const docker = job(first, 'docker');
    const record = JSON.parse(await readFile(join(docker.workspace, 'dist/publish/record.json'), 'utf8'));
    const digest = docker.outputs.digest ?? '';
    expect(digest).toMatch(/^sha256:[0-9a-f]{64}$/);
    expect(record.indexDigest).toBe(digest);
    expect(docker.summary).toContain(digest);
    expect(published?.body).toContain(`${image}@${digest}`);
    expect(first.attestations).toContainEqual({ name: image, digest });
    expect(await imageTags(image)).toEqual(
      Object.fromEntries(['1.2.3', 'v1.2.3', '1.2', '1', 'latest'].map((tag) => [tag, digest])),
    );

    // This label makes ghcr.io link the image to its repository.
    const inspect = ['--override-os=linux', '--override-arch=amd64', 'inspect', '--tls-verify=false'];
    const { stdout } = await execa('skopeo', [...inspect, `docker://${image}@${digest}`]);
    expect(JSON.parse(stdout).Labels).toMatchObject({
      'org.opencontainers.image.source': `https://github.com/${REPOSITORY}`,
    });

    for (const architecture of ['amd64', 'arm64']) {
      const name = `mount-monitor-linux-${architecture}`;
      const built = sha256(await readFile(join(job(first, 'build').workspace, 'dist/bin', name)));
      const downloaded = Buffer.from(await (await fetch(github.downloadUrl('v1.2.3', name))).arrayBuffer());
      expect(sha256(downloaded)).toBe(built);
      expect(sha256(await pulledExecutable(`${image}@${digest}`, architecture))).toBe(built);
      expect(first.attestations).toContainEqual({ name, digest: `sha256:${built}` });
    }

    const asset = async (name: string) => (await fetch(github.downloadUrl('v1.2.3', name))).text();
    const bundle = JSON.parse(await asset('checksums.txt.sigstore.json'));
    expect(sigstore.verify(bundle).name).toBe(
      `https://github.com/${REPOSITORY}/.github/workflows/release.yml@refs/tags/v1.2.3`,
    );
    const statement = JSON.parse(Buffer.from(bundle.dsseEnvelope.payload, 'base64').toString('utf8'));
    expect(statement.subject).toEqual([
      { name: 'checksums.txt', digest: { sha256: sha256(await asset('checksums.txt')) } },
    ]);
  });

  it('the docker job has no application sources and starts no compiler', async () => {
    const { workspace, trace } = job(first, 'docker');
    const found = await readdir(join(workspace, 'apps'), { recursive: true, withFileTypes: true });
    expect(
      found
        .filter((entry) => entry.isFile() && !entry.parentPath.includes('node_modules'))
        .map(({ name }) => name)
        .toSorted(),
    ).toEqual(['package.json', 'project.json']);
    const programs = [...new Set(readTrace(trace).map(({ path }) => path.split('/').at(-1) ?? ''))];
    expect(programs).toEqual(expect.arrayContaining(['node', 'docker', 'docker-buildx']));
    expect(
      programs.filter((name) => /^(bun|tsc|esbuild|swc|go|cargo|rustc|gcc|cc|ld|qemu-.*)$/.test(name)),
    ).toEqual([]);
  });

  it('the release signs the image as the workflow at its tag, with the only identity token requested', async () => {
    const { digest = '' } = job(first, 'docker').outputs;
    const get = async (path: string) => JSON.parse(await readRegistry(image, path));
    // This registry has no referrers API, so they are listed under a tag.
    const { manifests }: { manifests: readonly { artifactType: string; digest: string }[] } = await get(
      `manifests/${digest.replace(':', '-')}`,
    );
    const bundles = manifests.filter(({ artifactType }) => artifactType === BUNDLE);
    expect(bundles).toHaveLength(1);
    const attached = await get(`manifests/${bundles[0]?.digest}`);
    expect(attached.subject.digest).toBe(digest);
    const bundle = await get(`blobs/${attached.layers[0].digest}`);
    const workflow = 'owner/mount-monitor/.github/workflows/release.yml@refs/tags/v1.2.3';
    expect(sigstore.verify(bundle)).toEqual({ name: `https://github.com/${workflow}`, issuer: ISSUER });
    const statement = JSON.parse(Buffer.from(bundle.dsseEnvelope.payload, 'base64').toString('utf8'));
    expect(statement.subject).toEqual([{ digest: { sha256: digest.replace('sha256:', '') } }]);
    expect(identity.issued).toMatchObject([{ aud: 'sigstore', job_workflow_ref: workflow }]);
    expect(releaseOf('v1.2.3')?.body).toContain(`cosign verify ${image}@${digest} `);
    expect(releaseOf('v1.2.3')?.body).toContain(`--certificate-identity https://github.com/${workflow}\n`);
  });

  it('the job summaries say which tasks ran and which came from the cache', () => {
    expect(job(first, 'build').summary).toMatch(/\| release:build-binaries \| ran \|/);
    expect(job(first, 'docker').summary).toContain('| release:docker-release | ran |');
    expect(job(first, 'docker').summary).toContain('\nCache: 0 of 1\n');
  });

  it('each job runs with exactly the permissions that it declares', () => {
    expect(Object.fromEntries(first.jobs.map(({ id, permissions }) => [id, permissions]))).toEqual(
      Object.fromEntries(Object.entries(release.jobs).map(([id, { permissions }]) => [id, permissions])),
    );
  });

  // More of them are in the table of the executor that refuses them.
  it.concurrent.each(['../../x', '1.2.3 && id'])(
    'a release of version %j stops in plan, and runs nothing else',
    async (version) => {
      const { sha } = await pushedHead();
      const run = await rehearse(release, {
        event: 'workflow_dispatch',
        ref: 'refs/heads/main',
        sha,
        inputs: { version },
      });
      expect(results(run)).toMatch(/^plan failure(, \w+ skipped){7}$/);
      expect(job(run, 'plan').log).toContain('error INVALID_VERSION: version: expected SemVer');
      expect(job(run, 'plan').log).not.toContain('uid=');
    },
  );

  it.concurrent('a release of the pushed tag v1.2.3;id stops in plan, and runs nothing else', async () => {
    const { sha } = await pushedHead();
    const run = await rehearse(release, { event: 'push', ref: 'refs/tags/v1.2.3;id', sha });
    expect(results(run)).toMatch(/^plan failure(, \w+ skipped){7}$/);
    expect(job(run, 'plan').log).toContain('error INVALID_VERSION: version: expected SemVer');
    expect(job(run, 'plan').log).not.toContain('uid=');
  });

  it('only version tags start a release, and no other push', () => {
    const pushed = (ref: string) => starts(release, { event: 'push', ref });
    expect(['v1.2.3', 'v1.2.3-rc.1', 'v1.2.3;id'].map((tag) => pushed(`refs/tags/${tag}`))).toEqual([
      true,
      true,
      true,
    ]);
    expect(['vNext', 'v1.2', '1.2.3'].map((tag) => pushed(`refs/tags/${tag}`))).toEqual([
      false,
      false,
      false,
    ]);
    expect(pushed('refs/heads/main')).toBe(false);
    expect(starts(release, { event: 'pull_request', ref: 'refs/pull/1/merge' })).toBe(false);
    expect(starts(ci, { event: 'push', ref: 'refs/heads/main' })).toBe(true);
    expect(starts(ci, { event: 'push', ref: 'refs/tags/v1.2.3' })).toBe(false);
  });

  // These tests change nothing that the others read, so they run concurrently.
  it.concurrent('a release stops after verify if one platform fails', async () => {
    const event = await alone(() => pushTag('v1.3.0', 'feat: more'));
    const run = await rehearse(release, event, undefined, {
      ...PAST_THE_GATE,
      mishap: async (key, script, workspace) => {
        if (!key.includes('arm64') || !script.includes('release:verify')) return;
        await truncate(join(workspace, 'dist/bin/mount-monitor-linux-arm64'), 1000);
      },
    });
    expect(results(run)).toBe(
      'plan success, test success, build success, verify success, verify failure, attest skipped, draft skipped, docker skipped, release skipped',
    );
    const failed = run.jobs.find(({ key, result }) => key.includes('arm64') && result === 'failure');
    expect(failed?.log).toMatch(/mount-monitor-linux-arm64.*1000/);
    expect(releaseOf('v1.3.0')).toBeUndefined();
  });

  describe.concurrent('of a pull request', () => {
    let pulls = 0;

    async function pullRequest(path: string, addition: string): Promise<WorkflowRun> {
      const git = (...args: readonly string[]) =>
        execa('git', [...GIT_AUTHOR, ...args], {
          cwd: project.root,
        });
      const ref = `refs/pull/${++pulls}/merge`;
      const sha = await alone(async () => {
        await git('checkout', '--quiet', '-B', 'change', 'main');
        const file = join(project.root, path);
        await writeFile(file, `${await readFile(file, 'utf8')}${addition}`);
        await git('commit', '--quiet', '--all', '-m', 'change');
        await git('push', '--quiet', '--force', 'origin', `HEAD:${ref}`);
        const { stdout } = await git('rev-parse', 'HEAD');
        await git('checkout', '--quiet', 'main');
        return stdout;
      });
      return rehearse(ci, { event: 'pull_request', ref, sha });
    }

    it('a pull request that changes only documentation tests only the documentation', async () => {
      const run = await pullRequest('docs/architecture.md', '\nchanged\n');
      expect(failures(run)).toBe('');
      expect(results(run)).toBe('affected success, check success, macos skipped');
      expect(job(run, 'affected').outputs.projects).toBe('["docs"]');
      const log = stripVTControlCharacters(job(run, 'check').log).split('nx affected').at(-1) ?? '';
      expect([...log.matchAll(/nx run (\S+)/g)].map(([, task]) => task)).toEqual(['docs:test']);
    });

    it('a pull request that changes no project runs no checks', async () => {
      const run = await pullRequest('.editorconfig', '\n# changed\n');
      expect(results(run)).toBe('affected success, check skipped, macos skipped');
      expect(job(run, 'affected').outputs.projects).toBe('[]');
    });

    it('a pull request that changes a lib checks the lib and its dependents, and saves no cache', async () => {
      const run = await pullRequest('libs/elf/src/index.ts', '\n// changed\n');
      expect(failures(run)).toBe('');
      expect(results(run)).toBe('affected success, check success, macos skipped');
      expect(JSON.parse(job(run, 'affected').outputs.projects ?? '').toSorted()).toEqual([
        'bench',
        'chart',
        'docs',
        'e2e',
        'elf',
        'nx-prebuilt',
        'release',
      ]);
      const log = stripVTControlCharacters(job(run, 'check').log);
      expect(log).toMatch(/nx run release:docker-release/);
      expect(log).not.toMatch(/nx run (app|oci):(lint|test)/);
      expect(options.caches.size).toBe(0);
    });
  });

  it.concurrent('CI on main saves a cache that Nx hits on another machine', async () => {
    const caches = new Map<string, string>();
    const sha = await alone(async () => {
      const file = join(project.root, 'tools/bench/src/main.ts');
      await writeFile(file, `${await readFile(file, 'utf8')}\n// on main\n`);
      return project.push('feat: on main');
    });
    const event: RunEvent = { event: 'push', ref: 'refs/heads/main', sha };
    const saving = await rehearse(ci, event, undefined, { caches });
    expect(failures(saving)).toBe('');
    expect(caches.size).toBe(1);
    const finding = await rehearse(ci, event, undefined, { caches });
    expect(failures(finding)).toBe('');
    const log = (run: WorkflowRun) =>
      stripVTControlCharacters(job(run, 'check').log).split('nx affected').at(-1) ?? '';
    expect(log(saving)).toMatch(/Cache: +0\/\d+ hit/);
    expect(log(finding)).toMatch(/Cache: +[1-9]\d*\/\d+ hit/);
    // The type check and the build of a project write into the same folder, so the declarations that a type check
    // finds, and with them its cache key, depend on which of the two ran last.
    const ran = [...log(finding).matchAll(/^✔ +nx run (\S+)$/gm)].map(([, task]) => task);
    expect(ran.filter((task) => !task?.endsWith(':typecheck'))).toEqual([]);
  });

  it.concurrent('a release stops after test if a test fails, such as one that expects a commit without a tag', async () => {
    const clones = join(project.root, 'tools/e2e/src/testing/clone.ts');
    const event = await alone(async () => {
      await replaceIn(clones, / '--no-tags',/, '');
      const pushed = await pushTag('v1.4.0', 'feat: broken');
      await replaceIn(clones, /'--quiet',/, "'--quiet', '--no-tags',");
      await project.push('fix: repaired');
      return pushed;
    });
    const run = await rehearse(release, event);
    expect(results(run)).toMatch(/^plan success, test failure(, \w+ skipped){6}$/);
    const { log } = job(run, 'test');
    expect(stripVTControlCharacters(log)).toMatch(/FAIL .*a clone of this workspace has no tag/);
    expect(releaseOf('v1.4.0')).toBeUndefined();
  });

  it('no log, summary, output, artifact or record contains a token', async () => {
    const texts = runs.flatMap(({ jobs }) =>
      jobs.map(
        ({ key, log, summary, outputs, trace }) =>
          [key, `${log}${summary}${JSON.stringify(outputs)}${trace}`] as const,
      ),
    );
    const secrets = tokens();
    expect(secrets.length).toBeGreaterThan(4);
    const showing = texts.filter(([, text]) => secrets.some((token) => text.includes(token)));
    expect(showing.map(([key]) => key)).toEqual([]);
    // Everything that is left; the rest was searched when its run ended.
    expect([...showingFiles, ...(await filesWith(secrets, [project.folder]))]).toEqual([]);
    expect(JSON.stringify(github.releases.map(({ body }) => body))).not.toContain(CANARY);
    // Proves that a token in those places would be found.
    expect(texts.some(([, text]) => text.includes('v1.2.3'))).toBe(true);
    const { digest = '' } = job(first, 'docker').outputs;
    expect(await filesWith([digest], [first.artifacts.root])).toContain(
      join(first.artifacts.root, '1/publish-1/record.json'),
    );
  });

  async function pushedHead(): Promise<{ readonly sha: string }> {
    const { stdout } = await execa('git', ['rev-parse', 'HEAD'], { cwd: project.root });
    return { sha: stdout };
  }
});

/** A running container, as the engine describes it. */
interface EngineContainer {
  readonly workspace: string;
  readonly privileged: boolean;
  readonly cgroups: string;
  /** The paths of the volumes that the workflow names. */
  readonly volumes: readonly string[];
}

/** The running container with a folder as a volume. */
async function containerWith({ program, socket }: EngineClient, folder: string): Promise<EngineContainer> {
  const docker = async (...args: readonly string[]) =>
    (await execa(program, ['--host', `unix://${socket}`, ...args])).stdout;
  const id = await docker('ps', '--quiet', '--filter', `volume=${folder}`);
  const [{ Config, HostConfig, Mounts }] = JSON.parse(await docker('inspect', id));
  return {
    workspace: Config.WorkingDir,
    privileged: HostConfig.Privileged,
    cgroups: HostConfig.CgroupnsMode,
    volumes: Mounts.filter((mount: { Name?: string }) => mount.Name?.endsWith('-engine')).map(
      (mount: { Destination: string }) => mount.Destination,
    ),
  };
}

/** A queue for work that can't run concurrently. */
function oneAfterAnother(): <T>(work: () => Promise<T>) => Promise<T> {
  let last: Promise<unknown> = Promise.resolve();
  return (work) => {
    const result = last.then(work);
    last = result.catch(() => undefined);
    return result;
  };
}

/** The files in the folders that contain one of the texts. */
async function filesWith(
  texts: readonly string[],
  folders: readonly string[],
  excluded: readonly string[] = [],
): Promise<readonly string[]> {
  const { exitCode, stdout, stderr } = await execa(
    'grep',
    [
      ...['--recursive', '--files-with-matches', '--text', '--fixed-strings', ...ASIDE, ...excluded],
      ...texts.map((text) => `--regexp=${text}`),
      ...folders,
    ],
    { reject: false },
  );
  // grep exits with 1 if nothing matches.
  if (exitCode !== 0 && exitCode !== 1) throw new Error(`grep: ${stderr}`);
  return stdout.split('\n').filter((line) => line !== '');
}
