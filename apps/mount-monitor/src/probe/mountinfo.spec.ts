import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { findMount, parseMountInfo } from './mountinfo.ts';

const table = [
  '27 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw',
  '60 27 0:50 / /mnt/media rw,nosuid shared:30 master:2 - fuse.rclone remote:dir rw,user_id=0',
  '61 27 0:51 / /mnt/with\\040space rw - nfs4 server:/export rw',
  '62 60 0:52 / /mnt/media/deep rw - fuse.davfs https://user:secret@dav.example/x rw',
  '63 27 254:0 /data /mnt/bind rw - ext4 /dev/vda rw',
  '64 62 0:53 / /mnt/media/deep/er ro,nosuid - tmpfs tmpfs rw',
  '65 27 0:54 / /srv/a/b rw - nfs4 server:/b rw',
  '66 65 0:55 / /srv/a/b rw - tmpfs tmpfs rw',
  '67 27 0:56 / /var/a/b rw - nfs4 server:/b rw',
  '68 27 0:57 / /var/a rw - tmpfs tmpfs rw',
  '69 68 0:58 / /var/a/c rw - nfs4 server:/c rw',
  'nonsense',
  '',
].join('\n');
const entries = parseMountInfo(table);

describe('mountinfo', () => {
  it('findMount finds what is mounted at a path', () => {
    expect(findMount(entries, '/mnt/with space')).toEqual({
      mounted: true,
      mountPoint: '/mnt/with space',
      fsType: 'nfs4',
      source: 'server:/export',
      mountId: 61,
      device: '0:51',
      parentDevice: '254:0',
      readOnly: false,
      hiddenBy: undefined,
    });
  });

  it('findMount finds the mount around a path that is not a mount point', () => {
    expect(findMount(entries, '/mnt/media/deep/down')).toMatchObject({
      mounted: false,
      mountPoint: '/mnt/media/deep',
    });
    expect(findMount(entries, '/mnt/mediax')).toMatchObject({ mounted: false, mountPoint: '/' });
  });

  it('findMount finds the topmost of stacked mounts', () => {
    expect(findMount(entries, '/srv/a/b')).toMatchObject({ fsType: 'tmpfs', parentDevice: '0:54' });
  });

  it('findMount skips a mount hidden by a later one on a parent folder and reports what hides it', () => {
    expect(findMount(entries, '/var/a/b')).toMatchObject({
      mounted: false,
      mountPoint: '/var/a',
      hiddenBy: '/var/a',
    });
    expect(findMount(entries, '/var/a/c')).toMatchObject({ mounted: true, hiddenBy: undefined });
  });

  it('findMount works if the process’s root is not a mount itself', () => {
    const chroot = parseMountInfo('70 27 0:60 / /data rw - nfs4 server:/d rw');
    expect(findMount(chroot, '/data/x')).toMatchObject({ mountPoint: '/data', parentDevice: undefined });
    expect(findMount(chroot, '/else')).toBeUndefined();
  });

  it('findMount recognizes a read-only mount', () => {
    expect(findMount(entries, '/mnt/media/deep/er')?.readOnly).toBe(true);
    expect(findMount(entries, '/mnt/media')?.readOnly).toBe(false);
  });

  it('credentials are removed from the source', () => {
    expect(findMount(entries, '/mnt/media/deep')?.source).toBe('https://dav.example/x');
  });

  it('a bind mount has the same device as its parent', () => {
    const facts = findMount(entries, '/mnt/bind');
    expect(facts?.device).toBe(facts?.parentDevice);
  });

  it('findMount finds nothing in an empty table', () => {
    expect(findMount(parseMountInfo(''), '/mnt')).toBeUndefined();
  });

  it('parseMountInfo never throws', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        findMount(parseMountInfo(text), '/mnt');
      }),
    );
  });

  it('parseMountInfo parses any mount point that the kernel may write', () => {
    const segment = fc.stringMatching(/^[a-z \t\n\\é]{1,8}$/);
    fc.assert(
      fc.property(fc.array(segment, { minLength: 1, maxLength: 4 }), (segments) => {
        const path = `/${segments.join('/')}`;
        const written = path.replace(
          /[ \t\n\\]/g,
          (c) => `\\${c.charCodeAt(0).toString(8).padStart(3, '0')}`,
        );
        const line = `9 1 0:9 / ${written} rw - fuse.x src rw`;
        expect(findMount(parseMountInfo(line), path)).toMatchObject({ mounted: true, mountPoint: path });
      }),
    );
  });
});
