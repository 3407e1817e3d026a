import {
  copyFile,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createZstdCompress } from 'node:zlib';
import { execa } from 'execa';
import { deriveSources } from './apt-sources.ts';
import type { EngineEnvironment } from './environment.ts';
import { machineSources } from './packages.ts';

const CERTIFICATES = '/etc/ssl/certs/ca-certificates.crt';
const NPM = 'npm@11.6.2';

/**
 * Builds an image like `node:24-slim` for machines that can't pull it: Debian's base system from this machine's mirror,
 * the Node that runs this, npm, and the certificates that this machine trusts. Takes about 30 s. Needs root.
 */
export async function buildNodeStandIn(tag: string, engine: EngineEnvironment): Promise<void> {
  const work = await mkdtemp(join(tmpdir(), 'node-stand-in-'));
  try {
    const root = join(work, 'root');
    const { codename, mirror } = await findMirror();
    // At half the cost of debootstrap.
    await execa('mmdebstrap', ['--quiet', '--variant=apt', codename, root, `deb ${mirror} ${codename} main`]);
    await giveAllSuites(root, codename);
    await copyFile(process.execPath, join(root, 'usr/local/bin/node'));
    await mkdir(join(root, dirname(CERTIFICATES)), { recursive: true });
    await copyFile(CERTIFICATES, join(root, CERTIFICATES));
    await installNpm(work, join(root, 'usr/local'));
    await rm(join(root, 'var/cache/apt/archives'), { recursive: true, force: true });
    // The engine compresses what is not, with gzip, in 14 s.
    const tar = execa('tar', ['--create', '--numeric-owner', '--directory', root, '.'], {
      encoding: 'buffer',
      buffer: false,
      stdout: { transform: createZstdCompress() },
    });
    const environment = ['--change', `ENV NODE_EXTRA_CA_CERTS=${CERTIFICATES}`];
    await Promise.all([
      tar,
      tar.pipe('docker', ['import', ...environment, '-', tag], { env: { ...engine } }),
    ]);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

// Like `node:24-slim`, adds the updates and security suites, which locked packages may come from; so far, only the
// release itself is configured. https://github.com/debuerreotype/debuerreotype
async function giveAllSuites(root: string, codename: string): Promise<void> {
  const sources = deriveSources(await machineSources(), codename, codename);
  await writeFile(join(root, 'etc/apt/sources.list.d/debian.sources'), sources);
  await rm(join(root, 'etc/apt/sources.list'), { force: true });
}

async function findMirror(): Promise<{ readonly codename: string; readonly mirror: string }> {
  const codename = /^VERSION_CODENAME="?([a-z]+)"?$/m.exec(await readFile('/etc/os-release', 'utf8'))?.[1];
  const { stdout } = await execa('apt-get', [
    'indextargets',
    '--format',
    '$(REPO_URI) $(RELEASE)',
    'Identifier: Packages',
  ]);
  const line = stdout.split('\n').find((each) => each.endsWith(` ${codename}`));
  if (codename === undefined || line === undefined)
    throw new Error(`apt sources: expected the suite ${codename}, found:\n${stdout}`);
  return { codename, mirror: line.slice(0, line.lastIndexOf(' ')) };
}

async function installNpm(work: string, prefix: string): Promise<void> {
  await execa('npm', ['pack', '--silent', '--pack-destination', work, NPM], { cwd: work });
  const [archive] = (await readdir(work)).filter((name) => name.endsWith('.tgz'));
  if (archive === undefined) throw new Error(`npm pack ${NPM}: expected an archive, found none`);
  await execa('tar', ['--extract', '--file', join(work, archive), '--directory', work]);
  const modules = join(prefix, 'lib/node_modules');
  await mkdir(modules, { recursive: true });
  await rename(join(work, 'package'), join(modules, 'npm'));
  for (const name of ['npm', 'npx']) {
    await symlink(`../lib/node_modules/npm/bin/${name}-cli.js`, join(prefix, 'bin', name));
  }
  await writeFile(join(modules, 'npm/npmrc'), 'update-notifier=false\n');
}
