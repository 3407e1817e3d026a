import { gzipSync } from 'node:zlib';
import { digestOf } from '@prebuilt/oci';
import { forgedEntry, forgedRecords, TAR_END } from '@prebuilt/testing/layers';
import { type Document, edited, type ImageForgery, type StoredLayer } from './forged-image.ts';
import type { NamedForgery } from './image-forgeries.ts';

/** An entry in a layer created by a command. A path with a trailing slash is a folder. */
export interface ChangedFile {
  readonly path: string;
  readonly content?: string | Buffer;
  /** `1`: hard link, `2`: symbolic link, `3`: character device, `6`: FIFO. */
  readonly flag?: '1' | '2' | '3' | '6';
  readonly target?: string;
  /** In octal digits. */
  readonly mode?: string;
  readonly uid?: number;
  /** An extended attribute; only for a file in the root. */
  readonly attribute?: readonly [name: string, value: string];
}

/** A layer in the form that BuildKit writes for a command's changes (seen with 26.1.5). */
export function changedLayer(files: readonly ChangedFile[]): StoredLayer {
  const entries = files.flatMap(({ path, content = '', flag, target, mode, uid = 0, attribute }) => {
    const folder = path.endsWith('/');
    const digits = mode ?? (folder || flag === undefined ? '755' : '777');
    return [
      ...(attribute === undefined
        ? []
        : [forgedRecords([[`SCHILY.xattr.${attribute[0]}`, attribute[1]]], 'x', path)]),
      forgedEntry(
        {
          name: path,
          flag: folder ? '5' : (flag ?? '0'),
          mode: `${digits.padStart(7, '0')}\0`,
          uid: `${uid.toString(8).padStart(7, '0')}\0`,
          ...(target !== undefined && { target }),
        },
        content,
      ),
    ];
  });
  const tar = Buffer.concat([...entries, TAR_END]);
  return {
    bytes: gzipSync(tar),
    mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip',
    diffId: digestOf(tar),
  };
}

/** Adds a command's step on top of an image, like a builder that executes it. */
export function executed(files: readonly ChangedFile[], more: ImageForgery = {}): ImageForgery {
  return {
    ...more,
    layers: (layers) => [...(more.layers?.(layers) ?? layers), changedLayer(files)],
    config: (text) => {
      const withStep = edited((config) => {
        const { created } = config;
        config.history.push({ created, created_by: 'RUN /tool', comment: 'buildkit.dockerfile.v0' });
      })(text);
      return more.config?.(withStep) ?? withStep;
    },
  };
}

/** The capability to open network ports below 1024. https://man7.org/linux/man-pages/man7/capabilities.7.html */
const CAPABILITY = ['security.capability', `\u0001\0\0\u0002\0\u0004\0\0${'\0'.repeat(12)}`] as const;

/** What a command may do: every kind of entry, and removals of files from lower layers. */
export const HONEST_CHANGES: readonly ChangedFile[] = [
  { path: 'etc/' },
  { path: 'etc/.wh.gone', mode: '0' },
  { path: 'etc/cache/' },
  { path: 'etc/cache/.wh..wh..opq', mode: '0' },
  { path: 'etc/cache/list', content: 'x' },
  { path: 'etc/link', flag: '2', target: '/app' },
  { path: 'etc/link2', flag: '1', target: 'etc/link' },
  { path: 'etc/list2', content: 'y' },
  { path: 'etc/list3', flag: '1', target: 'etc/list2', mode: '755' },
  { path: 'fifo', flag: '6', mode: '644' },
  { path: 'null', flag: '3', mode: '666' },
  { path: 'tool', content: 'x', attribute: CAPABILITY },
];

/** The number of resulting files and links. */
export const HONEST_COUNT = 8;

const EVIL = 'evil program that nobody verified\n';
const by = (title: string, named: RegExp, files: readonly ChangedFile[]): NamedForgery => ({
  title,
  named,
  ...executed(files),
});
const inside = (title: string, named: RegExp, change: (config: Document) => void): NamedForgery => ({
  title,
  named,
  ...executed(HONEST_CHANGES, { config: edited(({ config }) => change(config)) }),
});

/**
 * Ways to forge an image with the executable /app (`program`) and the runtime file /lib/libc.so.6 (`library`) whose
 * last layer was created by a command, so that its expected content is unknown.
 */
export function reducedForgeries(program: Buffer, library: string): readonly NamedForgery[] {
  const app = { path: 'app', content: program };
  return [
    by('its executable replaced', /\/app: expected SHA-256/, [{ path: 'app', content: EVIL }]),
    by('its executable removed', /\/app: expected a file, found nothing/, [{ path: '.wh.app', mode: '0' }]),
    by('everything below removed', /\/app: expected a file, found nothing/, [
      { path: '.wh..wh..opq', mode: '0' },
      { path: 'tool', content: EVIL },
    ]),
    by('a link instead of its executable', /\/app: expected a file, found a link to "tool"/, [
      { path: 'app', flag: '2', target: 'tool' },
      { path: 'tool', content: EVIL },
    ]),
    by('a link to the same content instead of its executable', /found a link to "copy"/, [
      { path: 'app', flag: '2', target: 'copy' },
      { path: 'copy', content: program },
    ]),
    by('a hard link to a link instead of its executable', /\/app: expected a file, found a link/, [
      { path: 'a', flag: '2', target: 'tool' },
      { path: 'app', flag: '1', target: 'a' },
      { path: 'tool', content: EVIL },
    ]),
    by('a hard link to another program instead of its executable', /\/app: expected SHA-256/, [
      { path: 'a', content: EVIL },
      { path: 'app', flag: '1', target: 'a', mode: '755' },
    ]),
    by('a folder instead of its executable', /\/app: expected a file, found a folder/, [
      { path: 'app/' },
      { path: 'app/app', content: program },
    ]),
    by('a FIFO instead of its executable', /\/app: expected SHA-256 \w+, found SHA-256 none/, [
      { path: 'app', flag: '6', mode: '755' },
    ]),
    by('a device instead of its executable', /\/app: expected SHA-256 \w+, found SHA-256 none/, [
      { path: 'app', flag: '3', mode: '755' },
    ]),
    by('its executable with setuid', /\/app: expected mode 0755, found mode 4755/, [
      { ...app, mode: '4755' },
    ]),
    by('its executable made setuid through a hard link', /\/app: expected mode 0755, found mode 4755/, [
      { ...app, mode: '4755' },
      { path: 'b', flag: '1', target: 'app', mode: '4755' },
    ]),
    by('a hard link to its executable with a different mode', /a hard link with a different mode/, [
      app,
      { path: 'b', flag: '1', target: 'app', mode: '4755' },
    ]),
    by('a hard link to a file in a lower layer', /a hard link to "app", which is not an earlier file/, [
      { path: 'b', flag: '1', target: 'app', mode: '4755' },
    ]),
    by('a world-writable executable', /\/app: expected mode 0755, found mode 0777/, [
      { ...app, mode: '777' },
    ]),
    by('an executable with another owner', /\/app: expected owner 0:0, found owner 1000:0/, [
      { ...app, uid: 1000 },
    ]),
    by('its executable with a capability', /\/app: expected no extended attributes/, [
      { ...app, attribute: CAPABILITY },
    ]),
    by('a link instead of a runtime file’s folder', /\/lib: expected a folder, found a link to "lib2"/, [
      { path: 'lib', flag: '2', target: 'lib2' },
      { path: 'lib2/' },
      { path: 'lib2/libc.so.6', content: library },
    ]),
    by('a file instead of a runtime file’s folder', /\/lib: expected a folder, found a file/, [
      { path: 'lib', content: EVIL },
    ]),
    by('a runtime file in a removed folder', /\/lib: expected a folder, found nothing/, [
      { path: '.wh.lib', mode: '0' },
    ]),
    by('a runtime file in an emptied folder', /\/lib\/libc\.so\.6: expected a file, found nothing/, [
      { path: 'lib/' },
      { path: 'lib/.wh..wh..opq', mode: '0' },
      { path: 'lib/other', content: EVIL },
    ]),
    by('a runtime file replaced', /\/lib\/libc\.so\.6: expected SHA-256/, [
      { path: 'lib/' },
      { path: 'lib/libc.so.6', content: EVIL },
    ]),
    by('a file that is added and removed in one layer', /"app": is added and removed/, [
      app,
      { path: '.wh.app', mode: '0' },
    ]),
    by('a file that is removed and added in one layer', /"app": is added and removed/, [
      { path: '.wh.app', mode: '0' },
      app,
    ]),
    by('a whiteout with content', /a whiteout that is not an empty file/, [
      { path: '.wh.app', mode: '0', content: 'x' },
    ]),
    by('another kind of whiteout', /a whiteout that is not an empty file, or that names no file/, [
      { path: '.wh..wh.plnk', mode: '0' },
    ]),
    by('a file in a folder that its layer lacks', /"lib\/libc\.so\.6": expected its folder before/, [
      { path: 'lib/libc.so.6', content: EVIL },
    ]),
    by('a duplicate path', /"app": is given twice/, [app, { path: 'app', content: EVIL }]),
    {
      title: 'a layer with GNU sparse files',
      named: /PAX record "GNU\.sparse\.name"/,
      ...executed([]),
      layers: (layers) => {
        const tar = Buffer.concat([
          forgedRecords([['GNU.sparse.name', 'app']]),
          forgedEntry({ name: 'app' }, EVIL),
          TAR_END,
        ]);
        const mediaType = 'application/vnd.oci.image.layer.v1.tar';
        return [...layers, { bytes: tar, mediaType, diffId: digestOf(tar) }];
      },
    },
    {
      title: 'two layers for one command',
      named: /expected "3 layers", found "4 layers"/,
      ...executed(HONEST_CHANGES, { layers: (layers) => [...layers, changedLayer([{ path: 'x' }])] }),
    },
    {
      title: 'no layer for the command',
      named: /expected "3 layers", found "2 layers"/,
      config: (text) => text,
    },
    {
      title: 'a history without the command',
      named: /history: expected "7 entries", found "6 entries"/,
      layers: (layers) => [...layers, changedLayer(HONEST_CHANGES)],
    },
    {
      title: 'a different diffID',
      named: /diffID/,
      ...executed(HONEST_CHANGES, {
        config: edited(({ rootfs }) => {
          rootfs.diff_ids[2] = rootfs.diff_ids[0];
        }),
      }),
    },
    inside('LD_PRELOAD in its environment', /config\.Env: .*LD_PRELOAD/, ({ Env }) =>
      Env.push('LD_PRELOAD=/tool'),
    ),
    inside('another entrypoint', /config\.Entrypoint/, (data) => {
      data.Entrypoint = ['/tool'];
    }),
    inside('user 0', /config\.User/, (data) => {
      data.User = '0';
    }),
    inside('a health check', /config\.Healthcheck/, (data) => {
      data.Healthcheck = { Test: ['CMD', '/tool'] };
    }),
    inside('a label with the digest of another executable', /executable\.digest/, ({ Labels }) => {
      Labels['dev.prebuilt.executable.digest'] = `sha256:${'0'.repeat(64)}`;
    }),
  ];
}
