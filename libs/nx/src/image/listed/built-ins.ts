import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { parsePlatform } from '../../artifacts/platform.ts';
import { PrebuiltError } from '../../errors.ts';
import type { UnpackedPackage } from '../../lock/debian-package.ts';
import { LOCK_FILE, type Lock } from '../../lock/lock.ts';
import { joinPackages, type SysrootFile } from '../../sysroot/sysroot.ts';
import type { PackagedBuiltIn } from './plan.ts';

/** A generated file. The path is relative to the image's root. */
export interface MadeFile {
  readonly path: string;
  readonly content: string | Uint8Array;
}

/** Where Go, OpenSSL and programs built on them look for trusted certificates. */
const BUNDLE = 'etc/ssl/certs/ca-certificates.crt';
/** Data packages are the same for all platforms. */
const ANY_PLATFORM = parsePlatform('linux/amd64');
const CERTIFICATE = /^usr\/share\/ca-certificates\/.+\.crt$/;
const ZONE = /^usr\/share\/zoneinfo\/(?!posix\/|right\/|localtime$)/;

/**
 * The lists of users and groups: root, nobody, and nonroot with its ID in distroless images. None can log in, and none
 * but root has a home folder.
 * https://man7.org/linux/man-pages/man5/passwd.5.html
 */
export const USER_FILES: readonly MadeFile[] = [
  {
    path: 'etc/passwd',
    content: [
      'root:x:0:0:root:/root:/sbin/nologin',
      'nobody:x:65534:65534:nobody:/nonexistent:/sbin/nologin',
      'nonroot:x:65532:65532:nonroot:/nonexistent:/sbin/nologin',
      '',
    ].join('\n'),
  },
  { path: 'etc/group', content: 'root:x:0:\nnogroup:x:65534:\nnonroot:x:65532:\n' },
];

/**
 * The files of a built-in from a package that has just been checked against the lock: certificates joined into one
 * bundle like `update-ca-certificates`, or the time zones, with links resolved and without their duplicates in `posix/`
 * and `right/`. Includes the package's copyright, and the file that identifies it to scanners. Throws
 * `SYSROOT_INTEGRITY` for a file that has changed since, and `SYSROOT` for a package without any of these files.
 * https://manpages.debian.org/bookworm/ca-certificates/update-ca-certificates.8.en.html
 */
export async function packagedFiles(
  name: PackagedBuiltIn,
  unpacked: UnpackedPackage,
  distribution: NonNullable<Lock['distribution']>,
): Promise<readonly MadeFile[]> {
  const files = joinPackages([unpacked], ANY_PLATFORM, distribution);
  const read = async (path: string): Promise<Uint8Array | undefined> => {
    const file = await files.find(`/${path}`);
    return file === undefined ? undefined : readChecked(file);
  };
  const made: MadeFile[] = [];
  const paths = unpacked.entries.map(({ path }) => path);
  if (name === 'ca-certificates') {
    const parts: Uint8Array[] = [];
    for (const path of paths.filter((each) => CERTIFICATE.test(each)).sort()) {
      const certificate = await read(path);
      if (certificate === undefined) continue;
      parts.push(certificate, Buffer.from(certificate.at(-1) === 0x0a ? '' : '\n'));
    }
    if (parts.length > 0) made.push({ path: BUNDLE, content: Buffer.concat(parts) });
  } else {
    for (const path of paths.filter((each) => ZONE.test(each)).sort()) {
      const content = await read(path);
      if (content !== undefined) made.push({ path, content });
    }
  }
  if (made.length === 0) {
    throw new PrebuiltError('SYSROOT', `${name} ${unpacked.version}: expected its files, found none`, {
      hint: 'The package has an unknown layout.',
    });
  }
  for (const path of [`usr/share/doc/${name}/copyright`, `var/lib/dpkg/status.d/${name}`]) {
    const content = await read(path);
    if (content !== undefined) made.push({ path, content });
  }
  return made;
}

async function readChecked({ source, sha256 }: SysrootFile): Promise<Uint8Array> {
  const content = await readFile(source);
  const found = createHash('sha256').update(content).digest('hex');
  if (found === sha256) return content;
  throw new PrebuiltError(
    'SYSROOT_INTEGRITY',
    `${source}: expected SHA-256 ${sha256} from ${LOCK_FILE}, found ${found}`,
    { hint: 'Something changed the file during the build: build again.' },
  );
}
