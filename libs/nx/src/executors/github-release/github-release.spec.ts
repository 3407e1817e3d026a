import { createHash } from 'node:crypto';
import { appendFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { GIT_AUTHOR } from '@prebuilt/testing/git';
import {
  type FakeGitHub,
  type FakeGitHubOptions,
  type FakeRequest,
  startFakeGitHub,
} from '@prebuilt/testing/github';
import { execa } from 'execa';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { sampleManifest } from '../../../testing/sample-manifest.ts';
import { formatChecksums } from '../../artifacts/checksums.ts';
import { formatManifest, type Manifest } from '../../artifacts/manifest.ts';
import { formatPublishRecord, type PublishRecord } from '../../artifacts/publish-record.ts';
import { createGitHubClient, uploadAddress } from '../../github/client.ts';
import { formatNotes } from '../../github/notes.ts';
import type { WaitClock } from '../../github/retry.ts';
import { DEFAULT_TAG_PATTERN } from '../../version/tag-pattern.ts';
import { readReleaseFacts, readTarget, readToken } from './facts.ts';
import { planRelease, type ReleasePlan } from './plan.ts';
import { type ReleaseResult, runRelease } from './run.ts';

const TOKEN = 'ghs_canary0123456789';
const REPOSITORY = 'owner/project';
const INDEX = `sha256:${'1'.repeat(64)}`;

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

/** A clone with one commit per version, and the built files of the version that is checked out. */
class Project {
  readonly root: string;
  constructor(root: string) {
    this.root = root;
  }

  async git(...args: readonly string[]): Promise<string> {
    return (await execa('git', [...GIT_AUTHOR, ...args], { cwd: this.root })).stdout;
  }

  async commit(message: string): Promise<string> {
    await this.git('commit', '--quiet', '--allow-empty', '-m', message);
    return this.git('rev-parse', 'HEAD');
  }

  /** Writes dist/bin, dist/sbom and dist/publish for a version built from HEAD. */
  async build(version: string, content = version): Promise<void> {
    const platforms = sampleManifest.platforms.map((each) => {
      const bytes = `${content} ${each.path}`;
      return { ...each, size: bytes.length, sha256: sha256(bytes) };
    });
    const manifest: Manifest = {
      ...sampleManifest,
      version,
      revision: await this.git('rev-parse', 'HEAD'),
      platforms,
    };
    const bin = join(this.root, 'dist/bin');
    await mkdir(bin, { recursive: true });
    for (const { path } of platforms) await writeFile(join(bin, path), `${content} ${path}`);
    await writeFile(join(bin, 'checksums.txt'), formatChecksums(manifest));
    await writeFile(join(bin, 'manifest.json'), formatManifest(manifest));
    await mkdir(join(this.root, 'dist/sbom'), { recursive: true });
    await writeFile(join(this.root, 'dist/sbom/mount-monitor-linux-amd64.cdx.json'), '{}\n');
    await mkdir(join(this.root, 'dist/publish'), { recursive: true });
    await writeFile(
      join(this.root, 'dist/publish/record.json'),
      formatPublishRecord(recordOf(manifest, sha256(formatManifest(manifest)))),
    );
  }

  /** Writes dist/signature, for the existing checksums or for others. */
  async sign(digest?: string): Promise<void> {
    const checksums = await readFile(join(this.root, 'dist/bin/checksums.txt'), 'utf8');
    await mkdir(join(this.root, 'dist/signature'), { recursive: true });
    await writeFile(
      join(this.root, 'dist/signature/checksums.txt.sigstore.json'),
      bundleOf(digest ?? sha256(checksums)),
    );
  }
}

/** A bundle like the one actions/attest leaves, reduced to what is read from it. */
function bundleOf(digest: string): string {
  const statement = {
    _type: 'https://in-toto.io/Statement/v1',
    subject: [{ name: 'checksums.txt', digest: { sha256: digest } }],
    predicateType: 'https://slsa.dev/provenance/v1',
    predicate: {},
  };
  return JSON.stringify({
    mediaType: 'application/vnd.dev.sigstore.bundle.v0.3+json',
    verificationMaterial: {},
    dsseEnvelope: {
      payload: Buffer.from(JSON.stringify(statement)).toString('base64'),
      payloadType: 'application/vnd.in-toto+json',
      signatures: [{ sig: '' }],
    },
  });
}

function recordOf(
  manifest: Manifest,
  manifestSha256: string,
  signature: PublishRecord['images'][number]['signature'] = null,
): PublishRecord {
  const repository = 'ghcr.io/owner/project';
  return {
    schemaVersion: 2,
    name: manifest.name,
    version: manifest.version,
    indexDigest: INDEX,
    manifestSha256,
    reports: [],
    images: [
      {
        repository,
        reference: `${repository}@${INDEX}`,
        platforms: manifest.platforms.map(({ platform, sha256: executableSha256 }) => ({
          platform,
          digest: `sha256:${'2'.repeat(64)}`,
          configDigest: `sha256:${'3'.repeat(64)}`,
          executableSha256,
          readBack: true,
        })),
        tags: [
          { tag: manifest.version, kind: 'exact', outcome: 'moved', reason: 'the exact version' },
          { tag: 'latest', kind: 'moving', outcome: 'left', reason: 'a prerelease' },
        ],
        sbom: null,
        signature,
        bytesSent: 1,
        bytesSkipped: 0,
        blobsSent: 1,
        blobsSkipped: 0,
      },
    ],
    retries: 0,
    startedAt: '2026-01-01T00:00:00Z',
    finishedAt: '2026-01-01T00:00:01Z',
  };
}

describe('the notes', () => {
  const notes = (
    signature: PublishRecord['images'][number]['signature'],
    record = recordOf(sampleManifest, sha256('manifest'), signature),
  ) =>
    formatNotes({
      tag: 'v1.2.3',
      repository: REPOSITORY,
      previousTag: undefined,
      commits: [],
      changelog: undefined,
      attested: true,
      assets: [],
      image: true,
      record,
      workflow: '.github/workflows/release-tool.yml',
    });

  it('the notes say how to verify a signed image, with the workflow that signed it at its tag', () => {
    expect(notes({ outcome: 'attached', digest: `sha256:${'4'.repeat(64)}`, listedBy: 'api' })).toContain(
      [
        `cosign verify ghcr.io/owner/project@${INDEX} \\`,
        '  --certificate-oidc-issuer https://token.actions.githubusercontent.com \\',
        '  --certificate-identity https://github.com/owner/project/.github/workflows/release-tool.yml@refs/tags/v1.2.3',
      ].join('\n'),
    );
  });

  it('the notes say what was not compared if building an image executed something, and nothing otherwise', () => {
    const record = recordOf(sampleManifest, sha256('manifest'));
    const reducedProof = {
      because: ['Dockerfile.release:2: RUN'],
      unprovenFiles: 118,
      starts: { path: '/app', proven: true },
    };
    const images = record.images.map((each) => ({
      ...each,
      platforms: each.platforms.map((platform, at) => (at === 0 ? { ...platform, reducedProof } : platform)),
    }));
    const found = notes(null, { ...record, images })
      .split('\n')
      .filter((line) => line.includes('executed'));
    expect(found).toEqual([
      "- linux/amd64: building it executed something (Dockerfile.release:2: RUN). It contains the program's own files byte for byte; 118 other files were not compared with anything.",
    ]);
    expect(notes(null)).not.toContain('executed');
  });

  it('the notes do not mention a signature if the image has none', () => {
    expect(notes(null)).not.toContain('cosign');
  });
});

describe('github-release', () => {
  let project: Project;
  let github: FakeGitHub;
  let waits: number[];
  let told: string[];
  let image: boolean;
  let environment: Readonly<Record<string, string>>;
  let changelogs: readonly string[];

  beforeEach(async () => {
    image = true;
    environment = {};
    changelogs = [];
    project = new Project(await mkdtemp(join(tmpdir(), 'github-release-')));
    await project.git('init', '--quiet', '--initial-branch=main');
    await project.commit('chore: begin');
    waits = [];
    told = [];
  });
  afterEach(async () => {
    await github[Symbol.asyncDispose]();
    await rm(project.root, { recursive: true, force: true });
  });

  async function release(version: string, options: Partial<FakeGitHubOptions> = {}): Promise<void> {
    await project.git('tag', `v${version}`);
    const commit = await project.git('rev-parse', 'HEAD');
    await project.build(version);
    github = await startFakeGitHub({
      repository: REPOSITORY,
      token: TOKEN,
      tags: { [`v${version}`]: commit },
      ...options,
    });
  }

  let now = Date.parse('2026-01-01T00:00:00Z');
  const clock: WaitClock = {
    now: () => now,
    sleep: async (milliseconds) => {
      waits.push(milliseconds);
      now += milliseconds;
    },
    random: () => 1 - Number.EPSILON,
  };

  async function plan(stage: 'draft' | 'publish', token: string | undefined = TOKEN) {
    const client = createGitHubClient({
      baseUrl: github.baseUrl,
      repository: REPOSITORY,
      token,
      clock,
      signal: new AbortController().signal,
      told: (line) => void told.push(line),
    });
    const options = {
      stage,
      inputPath: 'dist/bin',
      sbomPath: 'dist/sbom',
      recordPath: 'dist/publish',
      signaturePath: 'dist/signature',
      tagLatest: 'auto',
      image,
      allowUncommitted: false,
      dryRun: false,
      json: false,
    } as const;
    const facts = await readReleaseFacts(
      options,
      { root: project.root, tagPattern: DEFAULT_TAG_PATTERN, folders: [], changelogs },
      REPOSITORY,
      client,
      environment,
    );
    return { client, plan: planRelease(options, facts) };
  }

  async function run(stage: 'draft' | 'publish'): Promise<ReleaseResult & { readonly plan: ReleasePlan }> {
    const planned = await plan(stage);
    const result = await runRelease(planned.plan, planned.client, (line) => void told.push(line));
    return { ...result, plan: planned.plan };
  }

  const writes = (): readonly FakeRequest[] => github.requests.filter(({ method }) => method !== 'GET');

  const NAMES = [
    'mount-monitor-linux-amd64',
    'mount-monitor-linux-arm64',
    'checksums.txt',
    'manifest.json',
    'mount-monitor-linux-amd64.cdx.json',
  ];

  it('a release page starts as a draft with every asset, and is then published as the latest release', async () => {
    environment = { GITHUB_ACTIONS: 'true' };
    await release('1.2.3');
    expect(await run('draft')).toMatchObject({ uploaded: NAMES, kept: [] });
    expect(github.releases).toMatchObject([{ tag: 'v1.2.3', draft: true, name: 'v1.2.3' }]);
    expect(github.releases[0]?.body).toContain('Not published yet');
    await run('publish');
    const [published] = github.releases;
    expect(published).toMatchObject({ tag: 'v1.2.3', draft: false, prerelease: false });
    expect(github.latestTag()).toBe('v1.2.3');
    for (const asset of published?.assets ?? []) {
      const folder = asset.name.endsWith('.cdx.json') ? 'sbom' : 'bin';
      expect(asset.content).toEqual(await readFile(join(project.root, 'dist', folder, asset.name)));
      expect(published?.body).toContain(sha256(asset.content.toString()));
    }
    expect(published?.body).toContain(`ghcr.io/owner/project@${INDEX}`);
    expect(published?.body).toContain(
      `gh attestation verify oci://ghcr.io/owner/project@${INDEX} --repo ${REPOSITORY}`,
    );
  });

  it('a release page has the signature of the checksums and says how to verify them with it', async () => {
    await release('1.2.3');
    await project.sign();
    expect(await run('draft')).toMatchObject({ uploaded: [...NAMES, 'checksums.txt.sigstore.json'] });
    await run('publish');
    const [published] = github.releases;
    const asset = published?.assets.find(({ name }) => name === 'checksums.txt.sigstore.json');
    expect(asset?.content).toEqual(
      await readFile(join(project.root, 'dist/signature/checksums.txt.sigstore.json')),
    );
    expect(published?.body).toContain(
      [
        'cosign verify-blob-attestation checksums.txt --bundle checksums.txt.sigstore.json --type slsaprovenance1 \\',
        '  --certificate-oidc-issuer https://token.actions.githubusercontent.com \\',
        `  --certificate-identity https://github.com/${REPOSITORY}/.github/workflows/release.yml@refs/tags/v1.2.3`,
        'sha256sum --check --ignore-missing checksums.txt',
      ].join('\n'),
    );
    expect((await run('publish')).plan.release.action).toBe('keep');
    // Publishing without the signature file fails.
    await rm(join(project.root, 'dist/signature'), { recursive: true });
    await expect(run('publish')).rejects.toThrow('checksums.txt.sigstore.json: expected no such asset');
  });

  it.each([
    [
      'for other checksums',
      '0'.repeat(64),
      /expected a signature of checksums\.txt with sha256 [0-9a-f]{64}, found 0{64}/,
    ],
    ['that is not a bundle', undefined, /expected a Sigstore bundle with an in-toto statement: /],
  ])('github-release refuses a signature %s, and writes nothing', async (_, digest, message) => {
    await release('1.2.3');
    await project.sign(digest);
    if (digest === undefined)
      await writeFile(join(project.root, 'dist/signature/checksums.txt.sigstore.json'), '{}');
    await expect(run('draft')).rejects.toMatchObject({
      code: 'INVALID_SIGNATURE',
      message: expect.stringMatching(message),
    });
    expect(writes()).toEqual([]);
  });

  it.each<[string, Readonly<Record<string, string>>, string | undefined, boolean]>([
    ['a desk', {}, undefined, false],
    ['a workflow of a public repository', { GITHUB_ACTIONS: 'true' }, 'public', true],
    ['a workflow of a private repository', { GITHUB_ACTIONS: 'true' }, 'private', false],
    ['a workflow that attests anyway', { GITHUB_ACTIONS: 'true', ATTEST: 'true' }, 'private', true],
  ])('a release from %s mentions attestations only if it has them', async (_, env, visibility, told) => {
    await release('1.2.3');
    const event = join(project.root, 'event.json');
    if (visibility !== undefined) await writeFile(event, JSON.stringify({ repository: { visibility } }));
    environment = { ...env, ...(visibility !== undefined && { GITHUB_EVENT_PATH: event }) };
    const { body } = (await plan('draft')).plan;
    expect(body.includes('gh attestation verify')).toBe(told);
    expect(body).toContain('sha256sum --check');
  });

  it('the notes that `nx release` wrote replace the list of commits', async () => {
    await release('1.2.3');
    await writeFile(
      join(project.root, 'CHANGELOG.md'),
      '# 1.2.4\n\n- too new\n\n## 1.2.3 (2026-01-01)\n\n### 🚀 Features\n\n- **tool:** written by Nx\n',
    );
    changelogs = ['apps/tool/CHANGELOG.md', 'CHANGELOG.md'];
    const { body } = (await plan('draft')).plan;
    expect(body).toMatch(/^## Changes.*\n\n### 🚀 Features\n\n- \*\*tool:\*\* written by Nx\n/);
    expect(body).not.toContain('too new');
    changelogs = ['apps/tool/CHANGELOG.md'];
    expect((await plan('draft')).plan.body).not.toContain('written by Nx');
  });

  it('a dry run of `nx release` plans as if the tag had already been created and pushed', async () => {
    await release('1.2.3');
    await execa({ cwd: project.root })`git tag --delete v1.2.3`;
    github.setFault(({ path }) =>
      path.includes('/commits/') ? { kind: 'status', status: 422, message: 'No commit found' } : undefined,
    );
    await expect(plan('draft')).rejects.toThrow(expect.objectContaining({ code: 'RELEASE_CONFLICT' }));
    environment = { NX_DRY_RUN: 'true' };
    expect((await plan('draft')).plan).toMatchObject({ tag: 'v1.2.3', latest: { move: true } });
    expect(writes()).toEqual([]);
  });

  it('the token is sent to the API and its uploads, never to the download host', async () => {
    await release('1.2.3', { digests: false });
    await run('draft');
    await run('draft');
    const downloads = github.requests.filter(({ host }) => host === 'downloads');
    expect(downloads.length).toBeGreaterThan(0);
    expect(downloads.every(({ authorized }) => !authorized)).toBe(true);
  });

  it('github-release changes nothing when it runs again', async () => {
    await release('1.2.3');
    await run('draft');
    const before = writes().length;
    expect(await run('draft')).toMatchObject({ uploaded: [], kept: NAMES });
    expect(
      writes()
        .slice(before)
        .map(({ method }) => method),
    ).toEqual(['PATCH']);
    await run('publish');
    const published = writes().length;
    expect((await run('publish')).plan.release.action).toBe('keep');
    expect((await run('draft')).plan.release.action).toBe('keep');
    expect(writes()).toHaveLength(published);
  });

  it('github-release works with immutable releases', async () => {
    await release('1.2.3', { immutable: true });
    await run('draft');
    await run('publish');
    expect(github.releases[0]).toMatchObject({ immutable: true, draft: false });
    expect((await run('publish')).plan.release.action).toBe('keep');
  });

  it('an asset is compared by download if the API reports no digest', async () => {
    await release('1.2.3', { digests: false });
    await run('draft');
    expect(await run('draft')).toMatchObject({ uploaded: [] });
    await project.build('1.2.3', '1.2.4');
    await expect(run('draft')).rejects.toMatchObject({ code: 'RELEASE_CONFLICT' });
  });

  it.each(['draft', 'published'] as const)(
    'github-release refuses different content under a tag that is %s, and names each file',
    async (state) => {
      await release('1.2.3');
      await run('draft');
      if (state === 'published') await run('publish');
      await project.build('1.2.3', 'other');
      const before = writes().length;
      await expect(run('draft')).rejects.toMatchObject({
        code: 'RELEASE_CONFLICT',
        message: expect.stringMatching(
          /GitHub has other files:\n {2}mount-monitor-linux-amd64: expected .*\n {2}mount-monitor-linux-arm64: expected .*\n(?: {2}.+: expected .*\n)* {2}http\S+$/,
        ),
      });
      expect(writes()).toHaveLength(before);
    },
  );

  it('github-release refuses an unknown asset, and two drafts for one tag', async () => {
    await release('1.2.3');
    const { client } = await plan('draft');
    await run('draft');
    const stray = join(project.root, 'stray');
    await writeFile(stray, 'x');
    const [draft] = github.releases;
    await client.uploadAsset(await client.readRelease(draft?.id ?? 0), { name: 'stray', path: stray });
    await expect(run('draft')).rejects.toThrow('stray: expected no such asset');
    await client.createDraft({ tag: 'v1.2.3', name: '', body: '', prerelease: false });
    await expect(run('draft')).rejects.toThrow('expected one release, found 2');
  });

  it('github-release refuses a tag that is on another commit or missing on GitHub', async () => {
    await release('1.2.3');
    github.setTag('v1.2.3', 'd'.repeat(40));
    await expect(run('draft')).rejects.toMatchObject({
      code: 'RELEASE_CONFLICT',
      hint: expect.stringContaining('new version'),
    });
    await project.git('tag', '--force', 'v1.2.3');
    const tagged = await project.git('rev-parse', 'HEAD');
    github.setTag('v1.2.3', tagged);
    await project.commit('fix: later');
    await project.build('1.2.3');
    await expect(run('draft')).rejects.toMatchObject({
      code: 'RELEASE_CONFLICT',
      hint: expect.stringMatching(/build is from another one.*git checkout v1\.2\.3/),
    });
    await project.git('tag', '--delete', 'v1.2.3');
    await expect(run('draft')).rejects.toMatchObject({
      hint: expect.stringMatching(/git fetch origin tag v1\.2\.3, git checkout v1\.2\.3/),
    });
    await project.git('tag', 'v1.2.4');
    await project.build('1.2.4');
    await expect(run('draft')).rejects.toMatchObject({ hint: 'Push the tag: git push origin v1.2.4' });
    expect(writes()).toEqual([]);
  });

  describe('when a tag moved after its draft was made', () => {
    let first: string;
    let second: string;
    const backHere = () =>
      `git tag --force v1.2.3 ${first} && git push --force origin v1.2.3 && git checkout v1.2.3`;
    const moved = () =>
      `The tag moved: the files of its release are from commit ${first}, and the tag is now at`;

    beforeEach(async () => {
      await release('1.2.3');
      first = await project.git('rev-parse', 'HEAD');
      await run('draft');
      second = await project.commit('fix: later');
    });

    it.each(['draft', 'publish'] as const)(
      'github-release says so to the old build, and how to move the tag back (%s)',
      async (stage) => {
        await project.git('tag', '--force', 'v1.2.3');
        github.setTag('v1.2.3', second);
        await expect(run(stage)).rejects.toMatchObject({
          code: 'RELEASE_CONFLICT',
          hint: `${moved()} ${second}.\nMove it back: ${backHere()}\nThen build and release again. Commit ${second} needs a new version.\nOnly if docker-publish then ends with TAG_EXISTS, the public image is of another commit: do what that error says.`,
        });
      },
    );

    it.each([
      ['a draft', false, {}],
      ['a page', true, {}],
      ['a draft without digests', false, { digests: false }],
    ])(
      'github-release says so to a build of the new commit, and never to delete %s',
      async (_, page, options) => {
        if ('digests' in options) {
          await github[Symbol.asyncDispose]();
          github = await startFakeGitHub({
            repository: REPOSITORY,
            token: TOKEN,
            tags: { 'v1.2.3': first },
            ...options,
          });
          await run('draft');
        }
        if (page) await run('publish');
        await project.git('tag', '--force', 'v1.2.3');
        github.setTag('v1.2.3', second);
        await project.build('1.2.3', 'other');
        await expect(run('draft')).rejects.toMatchObject({
          code: 'RELEASE_CONFLICT',
          message: expect.stringContaining(
            `v1.2.3: GitHub has other files, built from commit ${first} instead of ${second}:\n`,
          ),
          hint: expect.stringContaining(`${moved()} ${second}.\nMove it back: ${backHere()}\n`),
        });
        await expect(run('draft')).rejects.not.toMatchObject({ hint: expect.stringContaining('delete') });
      },
    );

    it('github-release only pushes the tag back if it is still right in this clone', async () => {
      github.setTag('v1.2.3', second);
      await expect(run('publish')).rejects.toMatchObject({
        hint: expect.stringContaining(
          `${moved()} ${second}.\nMove it back: git push --force origin v1.2.3 && git checkout v1.2.3\n`,
        ),
      });
    });

    it('github-release says that the tag moved only in this clone', async () => {
      await project.git('tag', '--force', 'v1.2.3');
      await project.build('1.2.3', 'other');
      await expect(run('draft')).rejects.toMatchObject({
        hint: `The tag moved in this clone: here, it is at ${second}. Move it back: git fetch --force origin tag v1.2.3 && git checkout v1.2.3, then build and release again.\nCommit ${second} needs a new version.`,
      });
    });

    it('github-release does not claim that a tag moved if the draft does not say its commit', async () => {
      const manifest = github.releases[0]?.assets.findIndex(({ name }) => name === 'manifest.json') ?? -1;
      const asset = github.releases[0]?.assets[manifest];
      if (asset === undefined) throw new Error('the draft has no manifest');
      github.releases[0]?.assets.splice(manifest, 1, { ...asset, content: Buffer.from('{"revision": 1') });
      await project.git('tag', '--force', 'v1.2.3');
      github.setTag('v1.2.3', second);
      await project.build('1.2.3', 'other');
      await expect(run('draft')).rejects.toMatchObject({
        message: expect.stringContaining('GitHub has other files:\n'),
        hint: expect.not.stringContaining('moved'),
      });
    });
  });

  it('github-release publishes only a complete draft, and only with the record of its executables', async () => {
    await release('1.2.3');
    await expect(run('publish')).rejects.toMatchObject({ code: 'RELEASE_INCOMPLETE' });
    github.setFault(({ path }) =>
      path.includes('manifest.json') ? { kind: 'status', status: 400 } : undefined,
    );
    await expect(run('draft')).rejects.toMatchObject({ code: 'GITHUB' });
    github.setFault(undefined);
    await expect(run('publish')).rejects.toThrow('manifest.json');
    expect(await run('draft')).toMatchObject({ uploaded: NAMES.slice(3), kept: NAMES.slice(0, 3) });
    const record = join(project.root, 'dist/publish/record.json');
    const written = await readFile(record, 'utf8');
    await writeFile(
      record,
      written.replace(/"manifestSha256": "."/, '"manifestSha256": "x"').replace('"x', '"0'),
    );
    await writeFile(record, JSON.stringify({ ...JSON.parse(written), manifestSha256: '0'.repeat(64) }));
    await expect(run('publish')).rejects.toMatchObject({ code: 'RELEASE_CONFLICT' });
    await rm(record);
    await expect(run('publish')).rejects.toMatchObject({ code: 'RELEASE_INCOMPLETE' });
    expect(github.releases[0]?.draft).toBe(true);
    await writeFile(record, written);
    await run('publish');
  });

  it('github-release reports a tag that moved while the page was being published', async () => {
    await release('1.2.3');
    await run('draft');
    github.setFault(({ method }) => {
      if (method === 'PATCH') github.setTag('v1.2.3', 'd'.repeat(40));
      return undefined;
    });
    await expect(run('publish')).rejects.toThrow(/expected the tag at commit [0-9a-f]{40}, found d{40}/);
  });

  it('the notes of a program without an image do not mention an image', async () => {
    image = false;
    await release('1.2.3');
    await rm(join(project.root, 'dist/publish'), { recursive: true });
    await run('draft');
    await run('publish');
    expect(github.releases[0]).toMatchObject({ draft: false });
    const [page = '', verification] = (github.releases[0]?.body ?? '').split('## Verify\n');
    expect(verification).toBe('\n```sh\nsha256sum --check --ignore-missing checksums.txt\n```\n');
    // They also mention no workflow that did not run, nor anything else that only this repository has.
    expect(page).not.toMatch(/image|docker|oci:|cosign|attest|\.github|prebuilt/i);
  });

  it('the notes name the current workflow as the one that signed', async () => {
    environment = {
      GITHUB_WORKFLOW_REF: 'owner/project/.github/workflows/release-tool.yml@refs/tags/v1.2.3',
    };
    await release('1.2.3');
    const record = join(project.root, 'dist/publish/record.json');
    const published: PublishRecord = JSON.parse(await readFile(record, 'utf8'));
    const signature = { outcome: 'attached', digest: `sha256:${'4'.repeat(64)}`, listedBy: 'api' };
    const images = published.images.map((each) => ({ ...each, signature }));
    await writeFile(record, JSON.stringify({ ...published, images }));
    await run('draft');
    const { body } = (await plan('publish')).plan;
    expect(body).toContain('/.github/workflows/release-tool.yml@refs/tags/v1.2.3');
    environment = {};
    expect((await plan('publish')).plan.body).toContain('/.github/workflows/release.yml@refs/tags/v1.2.3');
  });

  it('a prerelease is marked as such on the page, and not as the latest', async () => {
    await release('1.2.4-rc.1');
    await run('draft');
    await run('publish');
    expect(github.releases[0]).toMatchObject({ prerelease: true, draft: false });
    expect(github.latestTag()).toBeUndefined();
  });

  it('the latest release does not change if a higher version is published', async () => {
    await project.git('tag', 'v1.2.3');
    await release('1.1.9');
    const { client } = await plan('draft');
    const higher = { tag: 'v1.2.3', name: '', body: '', prerelease: false };
    await client.updateRelease((await client.createDraft(higher)).id, higher, { makeLatest: true });
    await run('draft');
    const { plan: planned } = await run('publish');
    expect(planned.latest).toEqual({ move: false, reason: '1.2.3 is a higher stable version' });
    expect(github.latestTag()).toBe('v1.2.3');
    expect(github.releases.every(({ draft }) => !draft)).toBe(true);
  });

  it('the highest page becomes the latest even if a higher version has a tag but no page yet', async () => {
    await project.git('tag', 'v1.3.0');
    await release('1.2.3');
    await run('draft');
    const { plan: planned } = await run('publish');
    expect(planned.latest).toEqual({ move: true, reason: '1.2.3 is the highest stable version' });
    expect(github.latestTag()).toBe('v1.2.3');
  });

  it('planning only reads, with or without a token', async () => {
    await release('1.2.3');
    expect((await plan('draft')).plan.assets.every(({ action }) => action === 'upload')).toBe(true);
    expect((await plan('draft', undefined)).plan.release.action).toBe('create');
    expect(writes()).toEqual([]);
  });

  it('github-release refuses a file that does not match the manifest', async () => {
    await release('1.2.3');
    await appendFile(join(project.root, 'dist/bin/mount-monitor-linux-arm64'), '!');
    await expect(run('draft')).rejects.toMatchObject({ code: 'ARTIFACT_CHANGED' });
  });

  it('the notes group the commits since the previous tag', async () => {
    await project.git('tag', 'v1.2.2');
    await project.commit('feat(config): a new option @everyone <b>');
    await project.commit('fix!: no more of it');
    await project.commit('whatever this is');
    await release('1.2.3');
    const { body } = (await plan('draft')).plan;
    expect(body).toContain('## Changes since v1.2.2');
    expect(body).toMatch(
      /### Breaking changes\n\n- no more of it .*\n\n### Features\n\n- \*\*config\*\*: a new option @<!-- -->everyone &lt;b&gt; .*\n\n### Other changes\n\n- whatever/s,
    );
    expect(body).not.toContain('begin');
  });

  describe('with faults', () => {
    const first = (match: (request: FakeRequest) => boolean, times = 1) => {
      let left = times;
      return (request: FakeRequest): boolean => match(request) && left-- > 0;
    };
    const STEPS: readonly (readonly [string, (request: FakeRequest) => boolean])[] = [
      ['the list of releases', ({ method, path }) => method === 'GET' && path.includes('/releases?')],
      ['the tag', ({ path }) => path.includes('/commits/')],
      ['the new draft', ({ host, method }) => host === 'api' && method === 'POST'],
      ['an upload', ({ path }) => path.includes('name=checksums.txt')],
      ['the publication', ({ method }) => method === 'PATCH'],
    ];
    const FAULTS = [
      ['a reset', { kind: 'reset' }],
      ['a reset after the request succeeded', { kind: 'reset', done: true }],
      ['500', { kind: 'status', status: 500 }],
      ['503', { kind: 'status', status: 503 }],
      ['429 with retry-after', { kind: 'status', status: 429, headers: { 'retry-after': '7' } }],
    ] as const;

    it.each(
      STEPS.flatMap(([step, match]) => FAULTS.map(([name, fault]) => [step, name, match, fault] as const)),
    )('github-release continues when %s meets %s twice', async (_, __, match, fault) => {
      await release('1.2.3');
      const hit = first(match, 2);
      github.setFault((request) => (hit(request) ? fault : undefined));
      await run('draft');
      await run('publish');
      expect(waits.length).toBeGreaterThan(0);
      expect(github.releases).toHaveLength(1);
      expect(github.releases[0]?.assets.map(({ name }) => name)).toEqual(NAMES);
      expect(github.releases[0]?.draft).toBe(false);
    });

    it('an incomplete upload is repeated, whether from this run or an earlier one', async () => {
      await release('1.2.3');
      const hit = first(({ path }) => path.includes('name=manifest.json'));
      github.setFault((request) => (hit(request) ? { kind: 'cut-off' } : undefined));
      await run('draft');
      expect(github.releases[0]?.assets.every(({ state }) => state === 'uploaded')).toBe(true);
    });

    it('github-release completes what an earlier run left incomplete', async () => {
      await release('1.2.3');
      let cut = false;
      github.setFault(({ host, path }) => {
        if (cut) return { kind: 'status', status: 401 };
        cut = host === 'uploads' && path.includes('checksums');
        return cut ? { kind: 'cut-off' } : undefined;
      });
      await expect(run('draft')).rejects.toMatchObject({ code: 'GITHUB' });
      github.setFault(undefined);
      expect(github.releases[0]?.assets.map(({ state }) => state)).toEqual([
        'uploaded',
        'uploaded',
        'starter',
      ]);
      const { plan: planned } = await run('draft');
      expect(planned.assets.map(({ action }) => action)).toEqual([
        'keep',
        'keep',
        'replace',
        'upload',
        'upload',
      ]);
      expect(github.releases[0]?.assets.every(({ state }) => state === 'uploaded')).toBe(true);
    });

    it.each([true, false])('a corrupted upload is refused, with digests reported: %s', async (digests) => {
      await release('1.2.3', { digests });
      const hit = first(({ host }) => host === 'uploads');
      github.setFault((request) => (hit(request) ? { kind: 'corrupt' } : undefined));
      await expect(run('draft')).rejects.toMatchObject({
        code: 'RELEASE_CONFLICT',
        message: expect.stringContaining('mount-monitor-linux-amd64: expected sha256'),
      });
      github.setFault(undefined);
      await expect(run('publish')).rejects.toMatchObject({ code: 'RELEASE_CONFLICT' });
      expect(github.releases[0]?.draft).toBe(true);
    });

    it('github-release waits until the rate limit resets', async () => {
      await release('1.2.3');
      const reset = Math.floor(now / 1000) + 120;
      const hit = first(() => true);
      github.setFault((request) =>
        hit(request)
          ? {
              kind: 'status',
              status: 403,
              message: 'API rate limit exceeded',
              headers: { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': String(reset) },
            }
          : undefined,
      );
      await run('draft');
      expect(waits[0]).toBeGreaterThanOrEqual(120_000);
    });

    it('github-release waits a minute for the secondary limit, which may come without headers', async () => {
      await release('1.2.3');
      const hit = first(({ method }) => method === 'POST');
      github.setFault((request) =>
        hit(request)
          ? { kind: 'status', status: 403, message: 'You have exceeded a secondary rate limit' }
          : undefined,
      );
      await run('draft');
      expect(waits).toEqual([60_000]);
    });

    it('github-release does not wait for a limit that resets too late, and says when it resets', async () => {
      await release('1.2.3');
      const reset = Math.floor(now / 1000) + 3600;
      github.setFault(() => ({
        kind: 'status',
        status: 403,
        headers: { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': String(reset) },
      }));
      await expect(run('draft')).rejects.toMatchObject({
        code: 'GITHUB',
        hint: expect.stringContaining(new Date(reset * 1000).toISOString()),
      });
      expect(waits).toEqual([]);
    });

    it('github-release gives up after six tries', async () => {
      await release('1.2.3');
      github.setFault(({ path }) =>
        path.includes('/commits/') ? { kind: 'status', status: 503 } : undefined,
      );
      await expect(run('draft')).rejects.toMatchObject({
        code: 'GITHUB',
        message: expect.stringContaining('HTTP 503'),
      });
      expect(waits).toHaveLength(5);
    });

    it.each([401, 403, 404, 422])('github-release does not retry %s, and shows no token', async (status) => {
      await release('1.2.3');
      github.setFault(({ host, method }) =>
        host === 'api' && method === 'POST' ? { kind: 'status', status, message: `no ${TOKEN}` } : undefined,
      );
      const failure = await run('draft').catch((error: unknown) => error);
      expect(failure).toMatchObject({ code: 'GITHUB', message: expect.stringContaining(`HTTP ${status}`) });
      expect(String(failure) + told.join()).not.toContain(TOKEN);
      expect(waits).toEqual([]);
    });
  });
});

describe('the GitHub API', () => {
  it.each([
    ['https://api.github.com', 'https://uploads.github.com/repos/o/r/releases/1/assets{?name,label}'],
    ['https://api.acme.ghe.com', 'https://uploads.acme.ghe.com/repos/o/r/releases/1/assets{?name,label}'],
    [
      'https://git.example/api/v3',
      'https://git.example/api/uploads/repos/o/r/releases/1/assets{?name,label}',
    ],
  ])('the API at %s may name %s for uploads', (base, upload) => {
    expect(uploadAddress(upload, base)).toBe(upload.replace('{?name,label}', ''));
  });

  it.each([
    ['https://api.github.com', 'https://uploads.example.com/repos/o/r/releases/1/assets'],
    ['https://api.github.com', 'http://uploads.github.com/repos/o/r/releases/1/assets'],
    ['https://api.github.com', 'https://uploads.github.com.example.com/'],
    ['https://git.example/api/v3', 'https://uploads.git.example/'],
    ['https://api.github.com', 'nonsense'],
  ])('the API at %s may not name %s, where the token would be sent', (base, upload) => {
    expect(() => uploadAddress(upload, base)).toThrow('the token is not sent there');
  });

  it('the repository and the API’s URL come from the options, then from the job’s environment', () => {
    const job = { GITHUB_REPOSITORY: 'a/b', GITHUB_API_URL: 'https://git.example/api/v3' };
    expect(readTarget({}, job)).toEqual({ repository: 'a/b', baseUrl: 'https://git.example/api/v3' });
    expect(readTarget({ repository: 'c/d' }, {})).toEqual({
      repository: 'c/d',
      baseUrl: 'https://api.github.com',
    });
    expect(() => readTarget({}, {})).toThrow('owner/name');
    expect(() => readTarget({ repository: '../x/y' }, {})).toThrow('owner/name');
    expect(() => readTarget({ baseUrl: 'http://api.github.com' }, job)).toThrow('https');
  });

  it('writing needs a token', () => {
    expect(() => readToken(false, {})).toThrow('GITHUB_TOKEN');
    expect(readToken(true, {})).toBeUndefined();
    expect(readToken(false, { GITHUB_TOKEN: 'x' })).toBe('x');
  });
});
