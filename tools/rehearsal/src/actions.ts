import { createHash } from 'node:crypto';
import { cp, glob, mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join, matchesGlob, relative, resolve } from 'node:path';
import { execa } from 'execa';

/** The artifacts of a run, by attempt and name: folders as they were uploaded. Later attempts see earlier ones. */
export class ArtifactStore {
  readonly root: string;
  attempt = 1;
  constructor(root: string) {
    this.root = root;
  }

  /** Where an artifact of this attempt goes. */
  place(name: string): string {
    return join(this.root, String(this.attempt), name);
  }

  /** The newest artifact of each name. */
  async newest(): Promise<ReadonlyMap<string, string>> {
    const found = new Map<string, string>();
    for (let attempt = 1; attempt <= this.attempt; attempt++) {
      for await (const folder of glob('*', { cwd: join(this.root, String(attempt)) })) {
        found.set(folder, join(this.root, String(attempt), folder));
      }
    }
    return found;
  }
}

/** An attestation that a job asked for. */
export interface Attestation {
  readonly name: string;
  /** `sha256:…` */
  readonly digest: string;
}

/** What an action may use of the run that it is part of. */
export interface ActionScope {
  readonly workspace: string;
  readonly home: string;
  readonly origin: string;
  readonly ref: string;
  readonly sha: string;
  readonly event: string;
  readonly permissions: Readonly<Record<string, string>>;
  readonly artifacts: ArtifactStore;
  readonly caches: Map<string, string>;
  readonly attestations: Attestation[];
  /** The commit of the last green run on main. */
  readonly lastGreen: string | undefined;
  /** The folder of the Docker client's plugins and settings. */
  readonly dockerConfig: string;
  /** The PATH on which `docker` is. */
  readonly path: string;
}

/** What an action did: its outputs, variables for the steps after it, and what is done when the job has ended. */
export interface ActionResult {
  readonly outputs?: Readonly<Record<string, string>>;
  readonly env?: Readonly<Record<string, string>>;
  readonly post?: () => Promise<void>;
}

type Inputs = Readonly<Record<string, string>>;
type Action = (inputs: Inputs, scope: ActionScope) => Promise<ActionResult>;

/** Stand-ins of the actions that the workflows use, by name. Each refuses inputs that it does not know. */
export const ACTIONS: Readonly<Record<string, Action>> = {
  'actions/checkout': checkout,
  'actions/upload-artifact': uploadArtifact,
  'actions/download-artifact': downloadArtifact,
  'actions/cache/restore': restoreCache,
  'actions/cache/save': saveCache,
  'actions/attest-build-provenance': attest,
  'docker/setup-buildx-action': setupBuildx,
  'docker/login-action': dockerLogin,
  'nrwl/nx-set-shas': setShas,
};

function known(inputs: Inputs, ...names: readonly string[]): void {
  const unknown = Object.keys(inputs).filter((name) => !names.includes(name));
  if (unknown.length > 0) throw new Error(`unexpected input: ${unknown.join(', ')}`);
}

const git = (cwd: string, ...args: readonly string[]) => execa('git', [...args], { cwd, stdin: 'ignore' });

/** One commit by default, with only the ref that the run is for; everything with `fetch-depth: 0`. */
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

/** Keeps bytes and names; every file comes back with mode 0644. A name is taken once an attempt. */
async function uploadArtifact(inputs: Inputs, scope: ActionScope): Promise<ActionResult> {
  known(inputs, 'name', 'path', 'if-no-files-found');
  const { name = 'artifact', path = '' } = inputs;
  const place = scope.artifacts.place(name);
  if (await exists(place)) {
    throw new Error(
      `Failed to CreateArtifact: Received non-retryable error: (409) Conflict: an artifact with this name already exists on the workflow run`,
    );
  }
  const source = resolve(scope.workspace, path);
  if (!(await exists(source))) throw new Error(`No files were found with the provided path: ${path}`);
  await mkdir(place, { recursive: true });
  const folder = (await stat(source)).isDirectory();
  const files = folder ? await filesOf(source) : [source];
  for (const file of files) {
    const target = join(place, folder ? relative(source, file) : basename(file));
    await mkdir(dirname(target), { recursive: true });
    await writeFile(target, await readFile(file), { mode: 0o644 });
  }
  return {};
}

/** One artifact by name into `path`, or all that match, each into a folder of its own unless merged. */
async function downloadArtifact(inputs: Inputs, scope: ActionScope): Promise<ActionResult> {
  known(inputs, 'name', 'path', 'pattern', 'merge-multiple');
  const target = resolve(scope.workspace, inputs.path ?? '.');
  const newest = await scope.artifacts.newest();
  const { name, pattern = '*' } = inputs;
  if (name !== undefined && !newest.has(name)) {
    throw new Error(`Unable to download artifact(s): Artifact not found for name: ${name}`);
  }
  for (const [each, source] of newest) {
    if (name === undefined ? !matchesGlob(each, pattern) : each !== name) continue;
    const own = name === undefined && inputs['merge-multiple'] !== 'true';
    await cp(source, own ? join(target, each) : target, { recursive: true });
  }
  return { outputs: { 'download-path': target } };
}

/** The entry of the very key, else the newest one that starts with a restore key. */
async function restoreCache(inputs: Inputs, scope: ActionScope): Promise<ActionResult> {
  known(inputs, 'path', 'key', 'restore-keys');
  const { key = '' } = inputs;
  const prefixes = (inputs['restore-keys'] ?? '').split('\n').filter((line) => line !== '');
  const keys = [...scope.caches.keys()].toReversed();
  const hit =
    keys.find((each) => each === key) ??
    keys.find((each) => prefixes.some((prefix) => each.startsWith(prefix)));
  const source = hit === undefined ? undefined : scope.caches.get(hit);
  if (source !== undefined) {
    for (const [index, path] of cachePaths(inputs, scope).entries()) {
      const from = join(source, String(index));
      if (await exists(from)) await cp(from, path, { recursive: true, preserveTimestamps: true });
    }
  }
  return { outputs: { 'cache-hit': String(hit === key), 'cache-matched-key': hit ?? '' } };
}

/** A key is saved once; what a pull request saves is seen by no other ref, so that it is not kept here. */
async function saveCache(inputs: Inputs, scope: ActionScope): Promise<ActionResult> {
  known(inputs, 'path', 'key');
  const { key = '' } = inputs;
  if (scope.event === 'pull_request') throw new Error('a pull request saves a cache');
  if (scope.caches.has(key)) return {};
  const place = join(scope.artifacts.root, 'caches', createHash('sha256').update(key).digest('hex'));
  for (const [index, path] of cachePaths(inputs, scope).entries()) {
    if (await exists(path))
      await cp(path, join(place, String(index)), { recursive: true, preserveTimestamps: true });
  }
  scope.caches.set(key, place);
  return {};
}

function cachePaths(inputs: Inputs, scope: ActionScope): readonly string[] {
  return (inputs.path ?? '')
    .split('\n')
    .filter((line) => line !== '')
    .map((path) =>
      path.startsWith('~/') ? join(scope.home, path.slice(2)) : resolve(scope.workspace, path),
    );
}

/** Records each subject by digest. Refused without the rights that signing and keeping attestations need. */
async function attest(inputs: Inputs, scope: ActionScope): Promise<ActionResult> {
  known(inputs, 'subject-path', 'subject-name', 'subject-digest');
  for (const right of ['id-token', 'attestations']) {
    if (scope.permissions[right] !== 'write') throw new Error(`attest: the job lacks ${right}: write`);
  }
  const { 'subject-path': path, 'subject-name': name = '', 'subject-digest': digest = '' } = inputs;
  if (path === undefined) {
    if (name === '' || !/^sha256:[0-9a-f]{64}$/.test(digest))
      throw new Error(`attest: no subject: ${name} ${digest}`);
    scope.attestations.push({ name, digest });
    return {};
  }
  let count = 0;
  for await (const file of glob(path, { cwd: scope.workspace })) {
    count++;
    const bytes = await readFile(join(scope.workspace, file));
    scope.attestations.push({
      name: basename(file),
      digest: `sha256:${createHash('sha256').update(bytes).digest('hex')}`,
    });
  }
  if (count === 0) throw new Error(`attest: could not find subject at path ${path}`);
  return {};
}

/** The engine here has the containerd image store, so that its own builder does what a container's would. */
async function setupBuildx(inputs: Inputs, scope: ActionScope): Promise<ActionResult> {
  known(inputs);
  await writeDockerConfig(scope, {});
  const DOCKER_CONFIG = join(scope.home, '.docker');
  await execa('docker', ['buildx', 'version'], { env: { DOCKER_CONFIG, PATH: scope.path } });
  return { env: { DOCKER_CONFIG } };
}

/** Leaves the credentials in the Docker config file until the job ends. */
async function dockerLogin(inputs: Inputs, scope: ActionScope): Promise<ActionResult> {
  known(inputs, 'registry', 'username', 'password');
  const { registry = '', username = '', password = '' } = inputs;
  if (username === '' || password === '') throw new Error('Username and password required');
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

/** On main the last green run's commit; for a pull request where it left main. */
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
