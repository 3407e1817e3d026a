import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { findMount, parseMountInfo } from './mountinfo.ts';

const table = [
  '27 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw',
  '60 27 0:50 / /mnt/media rw,nosuid shared:30 master:2 - fuse.rclone remote:dir rw,user_id=0',
  '61 27 0:51 / /mnt/with\\040space rw - nfs4 server:/export rw',
  '62 60 0:52 / /mnt/media/deep rw - fuse.davfs https://user:secret@dav.example/x rw',
  '63 27 254:0 /data /mnt/bind rw - ext4 /dev/vda rw',
  '64 60 0:53 / /mnt/media rw - tmpfs tmpfs rw',
  'nonsense',
  '',
].join('\n');
const entries = parseMountInfo(table);

describe('mountinfo', () => {
  it('finds what is mounted at a path', () => {
    expect(findMount(entries, '/mnt/with space')).toEqual({
      mounted: true,
      mountPoint: '/mnt/with space',
      fsType: 'nfs4',
      source: 'server:/export',
      mountId: 61,
      device: '0:51',
      parentDevice: '254:0',
    });
  });

  it('finds the mount around a path that is none', () => {
    expect(findMount(entries, '/mnt/media/deep/er')).toMatchObject({
      mounted: false,
      mountPoint: '/mnt/media/deep',
    });
    expect(findMount(entries, '/mnt/mediax')).toMatchObject({ mounted: false, mountPoint: '/' });
  });

  it('takes the topmost of stacked mounts', () => {
    expect(findMount(entries, '/mnt/media')).toMatchObject({ fsType: 'tmpfs', parentDevice: '0:50' });
  });

  it('leaves credentials out of the source', () => {
    expect(findMount(entries, '/mnt/media/deep')?.source).toBe('https://dav.example/x');
  });

  it('shows that a bind mount has the device of its parent', () => {
    const facts = findMount(entries, '/mnt/bind');
    expect(facts?.device).toBe(facts?.parentDevice);
  });

  it('knows nothing where the table is empty', () => {
    expect(findMount(parseMountInfo(''), '/mnt')).toBeUndefined();
  });

  it('never throws, whatever the text', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        findMount(parseMountInfo(text), '/mnt');
      }),
    );
  });

  it('reads back any mount point that the kernel may write', () => {
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
