import { gzipSync } from 'node:zlib';
import { digestOf } from '@prebuilt/oci';
import { forgedEntry, LAYER_FORGERIES, type LayerForgery, TAR_END } from '@prebuilt/testing/layers';
import { USER_FILES } from '../src/image/listed/built-ins.ts';
import { type Document, edited, type ImageForgery, type StoredLayer, storedLayer } from './forged-image.ts';
import type { SampleRelease } from './release-workspace.ts';

/** A way to forge an image whose layers are as planned, missing, or in a different order. */
export interface NamedForgery extends ImageForgery {
  readonly title: string;
  /** What the error must contain. */
  readonly named: RegExp;
  /** A builder's own index is discarded, so only a published image's index can be forged. */
  readonly publishedOnly?: boolean;
}

const config = (title: string, named: RegExp, change: (config: Document) => void): NamedForgery => ({
  title,
  named,
  config: edited(change),
});
const inside = (title: string, named: RegExp, change: (config: Document) => void): NamedForgery =>
  config(title, named, (data) => change(data.config));
const manifest = (title: string, named: RegExp, change: (manifest: Document) => void): NamedForgery => ({
  title,
  named,
  manifest: edited(change),
});
const index = (title: string, named: RegExp, change: (index: Document) => void): NamedForgery => ({
  title,
  named,
  index: edited(change),
  publishedOnly: true,
});
const EMPTY_DIFF_ID = 'sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef';
const withLastLayer = (layers: readonly StoredLayer[], last: StoredLayer): readonly StoredLayer[] => [
  ...layers.slice(0, -1),
  last,
];

/** Forgeries of the configuration, which determines what runs and how. */
const CONFIG_FORGERIES: readonly NamedForgery[] = [
  inside('LD_PRELOAD in its environment', /config\.Env: .*LD_PRELOAD/, ({ Env }) =>
    Env.push('LD_PRELOAD=/lib/libc.so.6'),
  ),
  inside('another PATH', /config\.Env/, (data) => {
    data.Env = ['PATH=/evil'];
  }),
  inside('another argument for its entrypoint', /config\.Entrypoint/, ({ Entrypoint }) =>
    Entrypoint.push('--insecure'),
  ),
  inside('another entrypoint', /config\.Entrypoint/, (data) => {
    data.Entrypoint = ['/lib/libc.so.6'];
  }),
  inside('a command', /config\.Cmd/, (data) => {
    data.Cmd = ['--insecure'];
  }),
  inside('user 0', /config\.User: expected "65534", found "0"/, (data) => {
    data.User = '0';
  }),
  inside('no user', /config\.User: expected "65534", found nothing/, (data) => {
    delete data.User;
  }),
  inside('another working directory', /config\.WorkingDir/, (data) => {
    data.WorkingDir = '/lib';
  }),
  inside('a health check', /config\.Healthcheck/, (data) => {
    data.Healthcheck = { Test: ['CMD', '/app'], Interval: 1_000_000_000 };
  }),
  inside('a volume', /config\.Volumes/, (data) => {
    data.Volumes = { '/lib': {} };
  }),
  inside('a port', /config\.ExposedPorts/, (data) => {
    data.ExposedPorts = { ...data.ExposedPorts, '22/tcp': {} };
  }),
  inside('another stop signal', /config\.StopSignal/, (data) => {
    data.StopSignal = 'SIGKILL';
  }),
  inside('an instruction for images built on it', /config\.OnBuild/, (data) => {
    data.OnBuild = ['RUN evil'];
  }),
  inside('a shell', /config\.Shell/, (data) => {
    data.Shell = ['/app'];
  }),
  inside('a lowercase environment, which Go also reads', /config\.env/, (data) => {
    data.env = ['LD_PRELOAD=/lib/libc.so.6'];
  }),
  inside('a label with the digest of another executable', /executable\.digest/, ({ Labels }) => {
    Labels['dev.prebuilt.executable.digest'] = `sha256:${'0'.repeat(64)}`;
  }),
  inside('an additional label', /config\.Labels\.evil/, ({ Labels }) => {
    Labels.evil = '1';
  }),
  inside('no label with its revision', /image\.revision: .*found nothing/, ({ Labels }) => {
    delete Labels['org.opencontainers.image.revision'];
  }),
  config('a different time', /created/, (data) => {
    data.created = '2020-01-01T00:00:00Z';
  }),
  config('an author', /author/, (data) => {
    data.author = 'evil';
  }),
  config('an operating system version', /os\.version/, (data) => {
    data['os.version'] = '10';
  }),
  config('a shorter history', /history: expected "\d+ entries"/, ({ history }) => history.pop()),
  config('a history that marks a layer as empty', /history\[\d\]/, ({ history }) => {
    for (const entry of history) entry.empty_layer = true;
  }),
  {
    title: 'two "config" objects',
    named: /"config" is given twice/,
    config: (text) => text.replace('"config":{', '"config":{"Env":["LD_PRELOAD=/lib/libc.so.6"]},"config":{'),
  },
  {
    title: 'a duplicate environment',
    named: /"Env" is given twice/,
    config: (text) => text.replace('"Env":[', '"Env":["LD_PRELOAD=/lib/libc.so.6"],"Env":['),
  },
];

/** Forgeries of the manifest and the index, which determine what is downloaded. */
const DOCUMENT_FORGERIES: readonly NamedForgery[] = [
  manifest(
    'a layer annotation with a table of contents (zstd:chunked)',
    /layers\[1\]\.annotations/,
    ({ layers }) => {
      layers[1].annotations = {
        'io.github.containers.zstd-chunked.manifest-checksum': `sha256:${'0'.repeat(64)}`,
      };
    },
  ),
  manifest('a layer annotation with a table of contents (eStargz)', /annotations/, ({ layers }) => {
    layers[1].annotations = { 'containerd.io/snapshot/stargz/toc.digest': `sha256:${'0'.repeat(64)}` };
  }),
  manifest('a URL to fetch a layer from', /layers\[0\]: .*|layers\[0\]\.urls/, ({ layers }) => {
    layers[0].urls = ['https://evil.invalid/layer'];
  }),
  manifest('an inline configuration', /manifest\.config\.data/, (data) => {
    data.config.data = 'e30=';
  }),
  manifest('a foreign layer with the same diffID', /nondistributable/, ({ layers }) => {
    layers[1].mediaType = 'application/vnd.oci.image.layer.nondistributable.v1.tar+gzip';
  }),
  manifest("a layer with Docker's media type", /docker\.image\.rootfs/, ({ layers }) => {
    layers[1].mediaType = 'application/vnd.docker.image.rootfs.diff.tar.gzip';
  }),
  manifest('a subject', /manifest\.subject/, (data) => {
    data.subject = data.config;
  }),
  manifest('annotations', /manifest\.annotations/, (data) => {
    data.annotations = { 'org.opencontainers.image.base.name': 'evil' };
  }),
  manifest('an artifact type', /manifest\.artifactType/, (data) => {
    data.artifactType = 'application/evil';
  }),
  {
    title: 'a duplicate list of layers',
    named: /"layers" is given twice/,
    manifest: (text) => text.replace('"layers":', '"layers":[],"layers":'),
  },
  {
    title: 'a missing layer',
    named: /expected "2 layers", found "1 layers"/,
    layers: (layers) => layers.slice(0, 1),
  },
  {
    title: 'its layers in a different order',
    named: /layer 1: \/app|LAYER_LIMIT|at most/,
    layers: (layers) => layers.toReversed(),
  },
  {
    title: 'an additional empty layer',
    named: /expected "2 layers", found "3 layers"/,
    layers: (layers) => {
      const bytes = Buffer.alloc(1024);
      const mediaType = 'application/vnd.oci.image.layer.v1.tar';
      return [...layers, { bytes, mediaType, diffId: EMPTY_DIFF_ID as StoredLayer['diffId'] }];
    },
  },
  {
    title: 'a different diffID',
    named: /diffID/,
    config: edited(({ rootfs }) => {
      rootfs.diff_ids[1] = EMPTY_DIFF_ID;
    }),
  },
  index('its platforms swapped', /expected the platform of its descriptor/, ({ manifests }) => {
    [manifests[0].platform, manifests[1].platform] = [manifests[1].platform, manifests[0].platform];
  }),
  index('a duplicate platform', /linux\/amd64, linux\/amd64/, ({ manifests }) => {
    manifests.push(manifests[0]);
  }),
  index('a missing platform', /found linux\/amd64/, ({ manifests }) => {
    manifests.pop();
  }),
  index('an operating system version for a platform', /os\.version/, ({ manifests }) => {
    manifests[0].platform['os.version'] = '10';
  }),
  index('an annotation', /index\.annotations/, (data) => {
    data.annotations = { evil: '1' };
  }),
  index('a subject in the index', /index\.subject/, (data) => {
    data.subject = data.manifests[0];
  }),
];

/** Every known way to forge an image with matching digests; `program` is the file /app. */
export function imageForgeries(program: Buffer): readonly NamedForgery[] {
  const planned = { path: 'app', content: program };
  const layers = LAYER_FORGERIES.map(
    ({ title, named, forge }: LayerForgery): NamedForgery => ({
      title: `a layer with ${title}`,
      named,
      layers: (honest) => withLastLayer(honest, storedLayer(forge(planned))),
    }),
  );
  return [...layers, ...CONFIG_FORGERIES, ...DOCUMENT_FORGERIES];
}

/** A forged layer with the built-ins `users` and `tmp`, with the given changes. */
function listedLayer({
  passwd = contentOf('etc/passwd'),
  passwdMode = '0000644\0',
  owner = '0000000\0',
  tmpMode = '0001777\0',
  more = [],
}: {
  readonly passwd?: string;
  readonly passwdMode?: string;
  readonly owner?: string;
  readonly tmpMode?: string;
  readonly more?: readonly Buffer[];
} = {}): StoredLayer {
  const tar = Buffer.concat([
    forgedEntry({ name: 'etc/', flag: '5' }),
    forgedEntry({ name: 'etc/group', mode: '0000644\0' }, contentOf('etc/group')),
    forgedEntry({ name: 'etc/passwd', mode: passwdMode, uid: owner }, passwd),
    ...more,
    forgedEntry({ name: 'tmp/', flag: '5', mode: tmpMode }),
    TAR_END,
  ]);
  return gzipLayer(tar);
}

function gzipLayer(tar: Buffer): StoredLayer {
  const mediaType = 'application/vnd.oci.image.layer.v1.tar+gzip';
  return { bytes: gzipSync(tar), mediaType, diffId: digestOf(tar) };
}

/** An archive with a file, a hard link to it, and a symbolic link to it. */
const FORGED_ARCHIVE = Buffer.concat([
  forgedEntry({ name: 'tool' }, 'tool'),
  forgedEntry({ name: 'same', flag: '1', target: 'tool' }),
  forgedEntry({ name: 'start', flag: '2', target: 'tool' }),
  TAR_END,
]);

/** What the images in {@link LISTED_FORGERIES} contain, besides a program without runtime files. */
export const LISTED_SAMPLE = {
  dockerfile:
    'FROM scratch\nCOPY files/ /\nCOPY app-linux-amd64 /app\nADD files-1-1/a.tar /opt\nUSER nonroot\nENTRYPOINT ["/app"]\n',
  runtime: {},
  listed: {
    // With a different owner, so that it is in a different folder of the context.
    entries: ['users', 'tmp', { path: 'a.tar', owner: '1:1' }],
    workspace: { 'a.tar': { content: FORGED_ARCHIVE } },
  },
} satisfies Partial<SampleRelease>;

/** A forged layer with that archive unpacked into /opt. */
function unpackedLayer({
  same = forgedEntry({ name: 'opt/same' }, 'tool'),
  start = 'tool',
  tool = forgedEntry({ name: 'opt/tool', flag: '1', target: 'opt/same' }),
}: {
  readonly same?: Buffer;
  readonly start?: string;
  readonly tool?: Buffer;
} = {}): StoredLayer {
  return gzipLayer(
    Buffer.concat([
      forgedEntry({ name: 'opt/', flag: '5' }),
      same,
      forgedEntry({ name: 'opt/start', flag: '2', target: start, mode: '0000777\0' }),
      tool,
      TAR_END,
    ]),
  );
}

function contentOf(path: string): string {
  return String(USER_FILES.find((file) => file.path === path)?.content);
}

/** Forges the first layer, which contains `users` and `tmp`. */
function listed(title: string, named: RegExp, layer: StoredLayer): NamedForgery {
  return { title, named, layers: (honest) => [layer, ...honest.slice(1)] };
}

/** Forges the last layer, which contains the unpacked archive. */
function unpacked(title: string, named: RegExp, layer: StoredLayer): NamedForgery {
  return { title, named, layers: (honest) => withLastLayer(honest, layer) };
}

/** The honest layers, created the same way: only the differences below are forged. */
export const HONEST_LISTED: NamedForgery = {
  title: 'nothing',
  named: /never/,
  layers: (honest) => withLastLayer([listedLayer(), ...honest.slice(1)], unpackedLayer()),
};

/** Every known way to forge listed files and an archive's content. */
export const LISTED_FORGERIES: readonly NamedForgery[] = [
  listed(
    'another root user in the list of users',
    /\/etc\/passwd/,
    listedLayer({ passwd: contentOf('etc/passwd').replace('65532:65532', '00000:00000') }),
  ),
  listed(
    'a longer list of users',
    /\/etc\/passwd/,
    listedLayer({ passwd: `${contentOf('etc/passwd')}x:x:0:0::/:/\n` }),
  ),
  listed('a world-writable list of users', /\/etc\/passwd/, listedLayer({ passwdMode: '0000666\0' })),
  listed('a list of users with another owner', /\/etc\/passwd/, listedLayer({ owner: '0177774\0' })),
  listed('a /tmp without the sticky bit', /\/tmp/, listedLayer({ tmpMode: '0000777\0' })),
  listed(
    'an additional list that is not listed',
    /\/etc\/shadow/,
    listedLayer({ more: [forgedEntry({ name: 'etc/shadow', mode: '0000644\0' }, 'root::::::::\n')] }),
  ),
  unpacked(
    'a changed link in an archive',
    /\/opt\/start: .*"tool".*"\/lib\/evil"/,
    unpackedLayer({ start: '/lib/evil' }),
  ),
  unpacked(
    'changed content in an archived file',
    /\/opt\/same: expected SHA-256/,
    unpackedLayer({ same: forgedEntry({ name: 'opt/same' }, 'evil') }),
  ),
  unpacked(
    'a setuid file in an archive',
    /\/opt\/same: expected mode 0755, found mode 4755/,
    unpackedLayer({
      same: forgedEntry({ name: 'opt/same', mode: '0004755\0' }, 'tool'),
      tool: forgedEntry({ name: 'opt/tool', flag: '1', target: 'opt/same', mode: '0004755\0' }),
    }),
  ),
  unpacked(
    'a separate file instead of a hard link in an archive',
    /\/opt\/tool: expected a hard link, found a file/,
    unpackedLayer({ tool: forgedEntry({ name: 'opt/tool' }, 'evil') }),
  ),
  { title: 'no layer with listed files', named: /layers/, layers: (honest) => honest.slice(1) },
];
