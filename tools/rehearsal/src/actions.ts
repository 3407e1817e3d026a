import { createHash } from 'node:crypto';
import {
  chmod,
  copyFile,
  cp,
  glob,
  link,
  mkdir,
  mkdtemp,
  readFile,
  rm,
  stat,
  writeFile,
} from 'node:fs/promises';
import { basename, dirname, join, matchesGlob, relative, resolve } from 'node:path';
import { execa } from 'execa';

/** The artifacts of a run, stored as folders by attempt and name. */
export class ArtifactStore {
  readonly root: string;
  attempt = 1;
  constructor(root: string) {
    this.root = root;
  }

  /** The folder for an artifact of this attempt. */
  place(name: string): string {
    return join(this.root, String(this.attempt), name);
  }

  /** The newest artifact with each name, and the attempt that it is from. */
  async newest(): Promise<ReadonlyMap<string, { readonly folder: string; readonly attempt: number }>> {
    const found = new Map<string, { readonly folder: string; readonly attempt: number }>();
    for (let attempt = 1; attempt <= this.attempt; attempt++) {
      for await (const name of glob('*', { cwd: join(this.root, String(attempt)) })) {
        found.set(name, { folder: join(this.root, String(attempt), name), attempt });
      }
    }
    return found;
  }
}

/** An attestation that a job requested. */
export interface Attestation {
  readonly name: string;
  /** `sha256:…` */
  readonly digest: string;
}

/** The parts of a run that an action may use. */
export interface ActionScope {
  readonly workspace: string;
  readonly home: string;
  readonly origin: string;
  readonly ref: string;
  readonly sha: string;
  readonly event: string;
  readonly permissions: Readonly<Record<string, string>>;
  /** The job's own token. */
  readonly token: string;
  /** Who can see the repository. */
  readonly visibility: 'public' | 'private';
  readonly artifacts: ArtifactStore;
  readonly caches: Map<string, string>;
  readonly attestations: Attestation[];
  /** Signs a statement as the job. Returns the bundle as JSON. */
  readonly sign: (statement: object) => Promise<string>;
  /** The job's folder for temporary files. */
  readonly temp: string;
  /** The commit of the last green run on main. */
  readonly lastGreen: string | undefined;
  /** The folder of the Docker client's plugins and settings. */
  readonly dockerConfig: string;
  /** The PATH that contains `docker`. */
  readonly path: string;
}

/** The result of an action: its outputs, variables for later steps, and what to do when the job ends. */
export interface ActionResult {
  readonly outputs?: Readonly<Record<string, string>>;
  readonly env?: Readonly<Record<string, string>>;
  readonly post?: () => Promise<void>;
}

type Inputs = Readonly<Record<string, string>>;
type Action = (inputs: Inputs, scope: ActionScope) => Promise<ActionResult>;

/** Stand-ins for the actions that the workflows use, by name. Each refuses inputs that it does not know. */
export const ACTIONS: Readonly<Record<string, Action>> = {
  'actions/checkout': checkout,
  'actions/upload-artifact': uploadArtifact,
  'actions/download-artifact': downloadArtifact,
  'actions/cache/restore': restoreCache,
  'actions/cache/save': saveCache,
  'actions/attest': attest,
  'docker/setup-buildx-action': setupBuildx,
  'docker/login-action': dockerLogin,
  'nrwl/nx-set-shas': setShas,
};

function known(inputs: Inputs, ...names: readonly string[]): void {
  const unknown = Object.keys(inputs).filter((name) => !names.includes(name));
  if (unknown.length > 0) throw new Error(`unexpected input: ${unknown.join(', ')}`);
}

// Like the action, works in a folder that belongs to another user. https://github.com/actions/checkout#usage
const git = (cwd: string, ...args: readonly string[]) =>
  execa('git', ['-c', `safe.directory=${cwd}`, ...args], { cwd, stdin: 'ignore' });

/** Fetches one commit by default, with only the run's own ref; everything with `fetch-depth: 0`. */
async function checkout(inputs: Inputs, scope: ActionScope): Promise<ActionResult> {
  known(inputs, 'fetch-depth', 'persist-credentials', 'sparse-checkout', 'sparse-checkout-cone-mode');
  if (scope.permissions.contents === undefined) throw new Error('checkout: the job may not read contents');
  const { workspace, ref, sha } = scope;
  await git(workspace, 'init', '--quiet');
  await git(workspace, 'remote', 'add', 'origin', `file://${scope.origin}`);
  const local = ref.startsWith('refs/heads/') ? ref.replace('refs/heads/', 'refs/remotes/origin/') : ref;
  const fetch = ['fetch', '--quiet', '--no-tags'];
  if (inputs['fetch-depth'] === '0') {
    const everything = ['+refs/heads/*:refs/remotes/origin/*', '+refs/tags/*:refs/tags/*'];
    await git(workspace, ...fetch, 'origin', ...everything);
    await git(workspace, ...fetch, 'origin', `+${sha}:${local}`);
  } else {
    await git(workspace, ...fetch, '--depth=1', 'origin', `+${sha}:${local}`);
  }
  if (inputs['sparse-checkout'] !== undefined) {
    const patterns = inputs['sparse-checkout'].split('\n').filter((line) => line !== '');
    const cone = inputs['sparse-checkout-cone-mode'] === 'false' ? '--no-cone' : '--cone';
    await git(workspace, 'sparse-checkout', 'set', cone, ...patterns);
  }
  const name = ref.replace(/^refs\/heads\//, '');
  const target = ref.startsWith('refs/heads/') ? ['-B', name, local] : ['--detach', local];
  await git(workspace, 'checkout', '--quiet', '--force', ...target);
  return {};
}

/**
 * Keeps bytes and names, but files come back with mode 0644. A name can be used only once per run unless it is
 * overwritten, always within an attempt, and as reported also in later ones. https://github.com/actions/upload-artifact
 */
async function uploadArtifact(inputs: Inputs, scope: ActionScope): Promise<ActionResult> {
  known(inputs, 'name', 'path', 'if-no-files-found', 'overwrite');
  const { name = 'artifact', path = '' } = inputs;
  const taken = (await scope.artifacts.newest()).get(name);
  if (taken !== undefined) {
    if (inputs.overwrite !== 'true')
      throw new Error(
        `Failed to CreateArtifact: Received non-retryable error: (409) Conflict: an artifact with this name already exists on the workflow run`,
      );
    await rm(taken.folder, { recursive: true });
  }
  const place = scope.artifacts.place(name);
  const source = resolve(scope.workspace, path);
  if (!(await exists(source))) throw new Error(`No files were found with the provided path: ${path}`);
  await mkdir(place, { recursive: true });
  const folder = (await stat(source)).isDirectory();
  const files = folder ? await filesOf(source) : [source];
  for (const file of files) {
    const target = join(place, folder ? relative(source, file) : basename(file));
    await mkdir(dirname(target), { recursive: true });
    await copyOrLink(file, target);
    await chmod(target, 0o644);
  }
  return {};
}

const LARGE_BYTES = 1024 * 1024;

/** Large files are archives that a job writes once and others only read, so they are linked. */
async function copyOrLink(file: string, target: string): Promise<void> {
  await rm(target, { force: true });
  if ((await stat(file)).size < LARGE_BYTES) await copyFile(file, target);
  else await link(file, target);
}

/**
 * Downloads one artifact by name into `path`, or all that match, each into its own folder unless merged. With a token,
 * it finds artifacts of the whole run through the API, which requires `actions: read`. Without one, only those of this
 * attempt: others are listed, but not served. https://github.com/actions/download-artifact/issues/486
 */
async function downloadArtifact(inputs: Inputs, scope: ActionScope): Promise<ActionResult> {
  known(inputs, 'name', 'path', 'pattern', 'merge-multiple', 'github-token');
  const target = resolve(scope.workspace, inputs.path ?? '.');
  const byApi = inputs['github-token'] !== undefined;
  if (byApi && inputs['github-token'] !== scope.token) throw new Error('Bad credentials');
  if (byApi && scope.permissions.actions === undefined)
    throw new Error('Resource not accessible by integration');
  const newest = await scope.artifacts.newest();
  const { name, pattern = '*' } = inputs;
  if (name !== undefined && !newest.has(name)) {
    throw new Error(`Unable to download artifact(s): Artifact not found for name: ${name}`);
  }
  for (const [each, { folder, attempt }] of newest) {
    if (name === undefined ? !matchesGlob(each, pattern) : each !== name) continue;
    if (!byApi && attempt !== scope.artifacts.attempt) {
      throw new Error(
        'Unable to download artifact(s): Failed to GetSignedArtifactURL: Received non-retryable error: Failed request: (404) Not Found: workflow run not found',
      );
    }
    const own = name === undefined && inputs['merge-multiple'] !== 'true';
    for (const file of await filesOf(folder)) {
      const copy = join(own ? join(target, each) : target, relative(folder, file));
      await mkdir(dirname(copy), { recursive: true });
      await copyOrLink(file, copy);
    }
  }
  return { outputs: { 'download-path': target } };
}

/**
 * Restores the entry with exactly this key, or else the newest one that starts with a restore key, if it was saved for
 * exactly these paths: they make up an entry's version. https://github.com/actions/toolkit/tree/main/packages/cache
 */
async function restoreCache(inputs: Inputs, scope: ActionScope): Promise<ActionResult> {
  known(inputs, 'path', 'key', 'restore-keys');
  const { key = '', path = '' } = inputs;
  const prefixes = (inputs['restore-keys'] ?? '').split('\n').filter((line) => line !== '');
  const keys = [...scope.caches.keys()]
    .flatMap((each) => (each.endsWith(versionOf(path)) ? [each.slice(0, -versionOf(path).length)] : []))
    .toReversed();
  const hit =
    keys.find((each) => each === key) ??
    keys.find((each) => prefixes.some((prefix) => each.startsWith(prefix)));
  const source = hit === undefined ? undefined : scope.caches.get(hit + versionOf(path));
  if (source !== undefined) {
    for (const [kind, base] of Object.entries(cacheBases(scope))) {
      const from = join(source, kind);
      if (await exists(from)) await cp(from, base, { recursive: true, preserveTimestamps: true });
    }
  }
  return { outputs: { 'cache-hit': String(hit === key), 'cache-matched-key': hit ?? '' } };
}

/** Saves a key only once. Other refs never see what a pull request saves, so saving from one is an error here. */
async function saveCache(inputs: Inputs, scope: ActionScope): Promise<ActionResult> {
  known(inputs, 'path', 'key');
  const { key = '', path = '' } = inputs;
  if (scope.event === 'pull_request') throw new Error('a pull request saves a cache');
  const entry = key + versionOf(path);
  if (scope.caches.has(entry)) return {};
  const place = join(scope.artifacts.root, 'caches', createHash('sha256').update(entry).digest('hex'));
  await mkdir(place, { recursive: true });
  const bases = cacheBases(scope);
  for (const pattern of path.split('\n').filter((line) => line !== '')) {
    const kind = pattern.startsWith('~/') ? 'home' : 'workspace';
    for await (const file of glob(pattern.replace(/^~\//, ''), { cwd: bases[kind] }))
      await cp(join(bases[kind], file), join(place, kind, file), {
        recursive: true,
        preserveTimestamps: true,
      });
  }
  scope.caches.set(entry, place);
  return {};
}

function versionOf(path: string): string {
  return `\n${createHash('sha256').update(path.trim()).digest('hex')}`;
}

function cacheBases({ home, workspace }: ActionScope) {
  return { home, workspace };
}

/**
 * Records each subject by digest, and writes one bundle for all of them to a file. Fails without the permissions for
 * signing and storing attestations, and in private repositories of users. https://github.com/actions/attest/issues/193
 */
async function attest(inputs: Inputs, scope: ActionScope): Promise<ActionResult> {
  known(inputs, 'subject-path', 'subject-name', 'subject-digest', 'subject-checksums');
  for (const right of ['id-token', 'attestations']) {
    if (scope.permissions[right] !== 'write') throw new Error(`attest: the job lacks ${right}: write`);
  }
  const { 'subject-path': path, 'subject-checksums': checksums } = inputs;
  const { 'subject-name': name = '', 'subject-digest': digest = '' } = inputs;
  const subjects: Attestation[] = [];
  if (checksums !== undefined) {
    const text = await readFile(join(scope.workspace, checksums), 'utf8');
    for (const [, hash, file = ''] of text.matchAll(/^([0-9a-f]{64}) [ *](.+)$/gm))
      subjects.push({ name: file, digest: `sha256:${hash}` });
    if (subjects.length === 0) throw new Error(`attest: no subject in ${checksums}`);
  } else if (path !== undefined) {
    for await (const file of glob(path, { cwd: scope.workspace })) {
      const bytes = await readFile(join(scope.workspace, file));
      const hash = createHash('sha256').update(bytes).digest('hex');
      subjects.push({ name: basename(file), digest: `sha256:${hash}` });
    }
    if (subjects.length === 0) throw new Error(`attest: could not find subject at path ${path}`);
  } else {
    if (name === '' || !/^sha256:[0-9a-f]{64}$/.test(digest))
      throw new Error(`attest: no subject: ${name} ${digest}`);
    subjects.push({ name, digest });
  }
  if (scope.visibility === 'private')
    throw new Error(
      'Failed to persist attestation: Feature not available for user-owned private repositories. To enable this feature, please make this repository public.',
    );
  scope.attestations.push(...subjects);
  const bundle = await scope.sign({
    _type: 'https://in-toto.io/Statement/v1',
    subject: subjects.map((each) => ({
      name: each.name,
      digest: { sha256: each.digest.slice('sha256:'.length) },
    })),
    predicateType: 'https://slsa.dev/provenance/v1',
    predicate: {},
  });
  // https://github.com/actions/attest#outputs
  const folder = await mkdtemp(join(scope.temp, 'attestation-'));
  const bundlePath = join(folder, 'attestation.json');
  await writeFile(bundlePath, bundle);
  return { outputs: { 'bundle-path': bundlePath } };
}

/** The engine here has the containerd image store, so its built-in builder can do what a container builder would. */
async function setupBuildx(inputs: Inputs, scope: ActionScope): Promise<ActionResult> {
  known(inputs, 'driver-opts', 'cache-binary');
  await writeDockerConfig(scope, {});
  const DOCKER_CONFIG = join(scope.home, '.docker');
  await execa('docker', ['buildx', 'version'], { env: { DOCKER_CONFIG, PATH: scope.path } });
  return { env: { DOCKER_CONFIG } };
}

/**
 * Keeps the credentials in the Docker config file until the job ends. The job's token is a password only for ghcr.io;
 * sending it elsewhere leaks it.
 * https://docs.github.com/packages/working-with-a-github-packages-registry/working-with-the-container-registry
 */
async function dockerLogin(inputs: Inputs, scope: ActionScope): Promise<ActionResult> {
  known(inputs, 'registry', 'username', 'password');
  const { registry = '', username = '', password = '' } = inputs;
  if (username === '' || password === '') throw new Error('Username and password required');
  if (password === scope.token && registry !== 'ghcr.io')
    throw new Error(`GITHUB_TOKEN is sent to ${registry === '' ? 'Docker Hub' : registry}`);
  const auth = Buffer.from(`${username}:${password}`).toString('base64');
  await writeDockerConfig(scope, { auths: { [registry]: { auth } } });
  return { post: () => writeDockerConfig(scope, {}) };
}

async function writeDockerConfig(scope: ActionScope, more: object): Promise<void> {
  const settings = JSON.parse(await readFile(join(scope.dockerConfig, 'config.json'), 'utf8'));
  await mkdir(join(scope.home, '.docker'), { recursive: true });
  await writeFile(join(scope.home, '.docker/config.json'), JSON.stringify({ ...settings, ...more }), {
    mode: 0o600,
  });
}

/** Returns the commit of the last green run on main; for a pull request, the merge base with main. */
async function setShas(inputs: Inputs, scope: ActionScope): Promise<ActionResult> {
  known(inputs, 'main-branch-name');
  if (scope.permissions.actions === undefined) throw new Error('nx-set-shas: the job may not read actions');
  const main = `origin/${inputs['main-branch-name'] ?? 'main'}`;
  const base =
    scope.event === 'pull_request'
      ? (await git(scope.workspace, 'merge-base', main, 'HEAD')).stdout
      : (scope.lastGreen ?? (await git(scope.workspace, 'rev-parse', 'HEAD~1')).stdout);
  const head = (await git(scope.workspace, 'rev-parse', 'HEAD')).stdout;
  return { outputs: { base, head }, env: { NX_BASE: base, NX_HEAD: head } };
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

async function filesOf(folder: string): Promise<readonly string[]> {
  const found: string[] = [];
  for await (const entry of glob('**', { cwd: folder, withFileTypes: true })) {
    if (entry.isFile()) found.push(join(entry.parentPath, entry.name));
  }
  return found;
}
