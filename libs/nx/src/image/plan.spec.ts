// biome-ignore-all lint/suspicious/noTemplateCurlyInString: variables of a Dockerfile, not of a template
import { describe, expect, it } from 'vitest';
import type { ListedArchiveEntry } from '../artifacts/listed.ts';
import { readDockerfile } from '../dockerfile/read-dockerfile.ts';
import type { BuildContext } from './context.ts';
import { type ImageFacts, type ImagePlan, planImage } from './plan.ts';

const file = (path: string, content = path, mode: 0o644 | 0o755 = 0o644) => ({
  path,
  source: `/bin/${path}`,
  mode,
  size: content.length,
  sha256: Buffer.from(content).toString('hex').padEnd(64, '0').slice(0, 64),
});
const entry = (path: string, more: object = {}) => ({
  path,
  mode: '0644',
  uid: 5,
  gid: 6,
  mtime: 100,
  ...more,
});
const sha256 = 'c'.repeat(64);
const ENTRIES: ListedArchiveEntry[] = [
  { type: 'directory', ...entry('bin', { mode: '0750' }) },
  { type: 'file', ...entry('bin/tool', { mode: '4755' }), size: 3, sha256 },
  { type: 'symlink', ...entry('bin/a', { mode: '0777' }), target: 'tool' },
  { type: 'link', ...entry('bin/zz', { mode: '4755' }), target: 'bin/tool' },
  { type: 'file', ...entry('implied/etc/group'), size: 3, sha256 },
  { type: 'symlink', ...entry('lib', { mode: '0777' }), target: 'implied/etc' },
];
const OTHERS: ListedArchiveEntry[] = [
  { type: 'file', ...entry('bin/tool', { mtime: 200 }), size: 3, sha256: 'd'.repeat(64) },
  { type: 'directory', ...entry('implied', { mtime: 200 }) },
];
const context: BuildContext = {
  files: [
    file('app', 'app', 0o755),
    file('d/x'),
    file('d/sub/y'),
    file('d/a-b'),
    file('d/a/z'),
    file('same', 'd/x'),
    file('d/sub/passwd'),
    file('d/sub/group'),
    { ...file('packed/x'), archive: { kind: 'foreign', because: 'compressed with xz' } },
    { ...file('packed/bad'), archive: { kind: 'refused', because: '"../x": leaves the folder' } },
    { ...file('packed/a'), archive: { kind: 'entries', entries: ENTRIES } },
    { ...file('packed/b'), archive: { kind: 'entries', entries: OTHERS } },
    {
      ...file('packed/folder'),
      archive: { kind: 'entries', entries: [{ type: 'directory', ...entry('lib') }] },
    },
    {
      ...file('packed/through'),
      archive: { kind: 'entries', entries: [{ type: 'directory', ...entry('lib/x') }] },
    },
  ],
  folders: [{ path: 'empty', mode: 0o755 }],
};
const FACTS: ImageFacts = {
  platform: { os: 'linux', architecture: 'arm', variant: 'v7' },
  context,
  labels: {},
  historyFormat: 'moby-26',
  texts: {
    lists: new Map([
      [file('d/sub/passwd').sha256, 'root:x:0:0:root:/root:/sbin/nologin\napp:x:1000:1001::/:/x\n'],
      [file('d/sub/group').sha256, 'root:x:0:\nstaff:x:50:app\n'],
    ]),
  },
};

function plan(lines: readonly string[], facts: Partial<ImageFacts> = {}): ImagePlan {
  const text = ['FROM scratch', ...lines, ''].join('\n');
  return planImage(readDockerfile(Buffer.from(text), 'Dockerfile'), { ...FACTS, ...facts });
}

/** Each layer's paths, as `mode owner path`. */
function layers(...lines: readonly string[]): readonly (readonly string[])[] {
  return plan(lines).layers.map((paths) =>
    paths.map(({ path, mode, uid, gid }) => `${mode.toString(8)} ${uid}:${gid} ${path}`),
  );
}

// Same results as with BuildKit (moby 26.1.5).
describe('an image’s layers', () => {
  it('an image’s layers contain copied files after their parent folders, in walk order', () => {
    expect(layers('COPY d /opt/d')).toEqual([
      [
        '755 0:0 opt',
        '755 0:0 opt/d',
        '755 0:0 opt/d/a',
        '644 0:0 opt/d/a/z',
        '644 0:0 opt/d/a-b',
        '755 0:0 opt/d/sub',
        '644 0:0 opt/d/sub/group',
        '644 0:0 opt/d/sub/passwd',
        '644 0:0 opt/d/sub/y',
        '644 0:0 opt/d/x',
      ],
    ]);
  });

  it('an image’s layers are empty if nothing changes', () => {
    expect(
      layers('COPY app /a', 'COPY app /a', 'COPY empty/ /', 'WORKDIR /w', 'WORKDIR /w').map(
        (each) => each.length,
      ),
    ).toEqual([1, 0, 0, 1, 0]);
  });

  it('an image’s layers are empty for another file with the same content', () => {
    expect(layers('COPY d/x /a', 'COPY same /a')[1]).toEqual([]);
  });

  it('an image’s layers contain a file whose mode or owner changes', () => {
    expect(
      layers('COPY app /o/a', 'COPY --chmod=4755 app /o/a', 'COPY --chown=7 --chmod=4755 app /o/a').slice(1),
    ).toEqual([
      ['755 0:0 o', '4755 0:0 o/a'],
      ['755 0:0 o', '4755 7:7 o/a'],
    ]);
  });

  it('an image’s layers give new folders the copy’s owner, and keep existing ones', () => {
    expect(
      layers('COPY --chown=5:6 d/a /x/', 'COPY --chown=7:8 d/a /x/', 'COPY --chown=9 app /x/new/'),
    ).toEqual([
      ['755 5:6 x', '644 5:6 x/z'],
      ['755 5:6 x', '644 7:8 x/z'],
      ['755 5:6 x', '755 9:9 x/new', '755 9:9 x/new/app'],
    ]);
  });

  it('an image’s layers change the owner of a folder that is copied over, not of one copied into', () => {
    expect(layers('COPY d /x', 'COPY --chown=3 d/sub /x/sub', 'COPY --chown=4 d /x')[2]).toContain(
      '755 4:4 x/sub',
    );
    expect(layers('COPY d /x', 'COPY --chown=3 d/a /x/a')[1]).toEqual([
      '755 0:0 x',
      '755 0:0 x/a',
      '644 3:3 x/a/z',
    ]);
  });

  it('an image’s layers give the WORKDIR to the user', () => {
    expect(layers('USER 65534', 'WORKDIR /home/u', 'COPY app .')).toEqual([
      ['755 65534:65534 home', '755 65534:65534 home/u'],
      ['755 65534:65534 home', '755 65534:65534 home/u', '755 0:0 home/u/app'],
    ]);
  });

  it('an image’s layers contain all of a linked copy, whatever already exists', () => {
    expect(
      layers('COPY app /o/a', 'COPY --link app /o/a', 'COPY --link d/x /o', 'COPY app /p').slice(1),
    ).toEqual([['755 0:0 o', '755 0:0 o/a'], ['644 0:0 o'], ['755 0:0 p']]);
  });

  it('an image’s layers contain what a pattern matches: files by name, and the content of folders', () => {
    expect(
      layers('COPY d/[a-w]* /t/', 'COPY d/?ub/y* /u', 'COPY ./d/s*/[^gp] /v/', 'COPY d/a-\\b /w'),
    ).toEqual([
      ['755 0:0 t', '644 0:0 t/a-b', '644 0:0 t/group', '644 0:0 t/passwd', '644 0:0 t/y', '644 0:0 t/z'],
      ['644 0:0 u'],
      ['755 0:0 v', '644 0:0 v/y'],
      ['644 0:0 w'],
    ]);
  });

  it('an image’s layers contain here-documents with expanded variables after other sources', () => {
    const { layers: found, history } = plan([
      'ENV W=world',
      'COPY --chmod=600 --chown=5:6 d/a/z <<EOF <<-"raw" /dir/',
      'hello $W',
      'EOF',
      '\t$W',
      'raw',
      'COPY --link <<EMPTY /e',
      'EMPTY',
    ]);
    expect(
      found.map((paths) => paths.map(({ path, mode, uid, file: each }) => [path, mode, uid, each?.content])),
    ).toEqual([
      [
        ['dir', 0o755, 5, undefined],
        ['dir/EOF', 0o600, 5, 'hello world\n'],
        ['dir/raw', 0o600, 5, '$W\n'],
        ['dir/z', 0o600, 5, undefined],
      ],
      [['e', 0o644, 0, '']],
    ]);
    expect(history[1]?.createdBy).toBe('COPY --chown=5:6 --chmod=600 d/a/z <<EOF <<raw /dir/ # buildkit');
  });

  it('an image’s layers have owners that are looked up by name in the image’s lists', () => {
    expect(
      layers(
        'COPY d/sub/passwd d/sub/group /etc/',
        'COPY --chown=app app /a',
        'COPY --chown=app:staff app /b',
        'COPY --chown=:staff app /c',
        'COPY --chown=7:staff app /d',
        'COPY --chown=app:9 app /e',
        'USER app',
        'WORKDIR /w',
        'USER app:staff',
        'WORKDIR /v',
        'USER 12',
        'WORKDIR /u',
      )
        .slice(1)
        .flat(),
    ).toEqual([
      '755 1000:1001 a',
      '755 1000:50 b',
      '755 0:50 c',
      '755 7:50 d',
      '755 1000:9 e',
      '755 1000:1001 w',
      '755 1000:50 v',
      '755 12:12 u',
    ]);
  });

  it('an image’s layers are the same with ADD as with COPY for files that are not archives', () => {
    expect(layers('ADD app /a', 'ADD d/sub /s/', 'COPY d/x /x')).toEqual(
      layers('COPY app /a', 'COPY d/sub /s/', 'COPY d/x /x'),
    );
  });

  it('an image’s layers resolve ".." in a destination, and stay inside the root', () => {
    expect(
      layers('COPY app /q/../r/./s', 'COPY app ../z/', 'WORKDIR /w', 'COPY app ./k/../l').flat(),
    ).toEqual([
      '755 0:0 r',
      '755 0:0 r/s',
      '755 0:0 z',
      '755 0:0 z/app',
      '755 0:0 w',
      '755 0:0 w',
      '755 0:0 w/l',
    ]);
  });

  // According to the reference: BuildKit supports these flags since 0.20, 0.25 and 0.26.
  it('an image’s layers follow symbolic modes, --exclude and --parents', () => {
    expect(layers('COPY --chmod=u+s,g+w,o= app /a', 'COPY --chmod=-x,u=rw,g=u app /b')).toEqual([
      ['4770 0:0 a'],
      ['664 0:0 b'],
    ]);
    expect(layers('COPY --exclude=sub --exclude=**/z --exclude=a-* d /x')).toEqual([
      ['755 0:0 x', '755 0:0 x/a', '644 0:0 x/x'],
    ]);
    expect(layers('COPY --parents d/a/z ./d/./sub/y /p/', 'COPY --parents d/a /q')).toEqual([
      ['755 0:0 p', '755 0:0 p/d', '755 0:0 p/d/a', '644 0:0 p/d/a/z', '755 0:0 p/sub', '644 0:0 p/sub/y'],
      ['755 0:0 q', '755 0:0 q/d', '755 0:0 q/d/a', '644 0:0 q/d/a/z'],
    ]);
  });

  it('an image’s layers have a file inside the destination if that is a folder', () => {
    expect(layers('COPY d /d', 'COPY app /d/sub')[1]).toEqual([
      '755 0:0 d',
      '755 0:0 d/sub',
      '755 0:0 d/sub/app',
    ]);
  });
});

describe('an image’s configuration', () => {
  it('an image’s configuration has the values that variables had before the instruction', () => {
    const { config } = plan([
      'ARG TARGETARCH TARGETVARIANT',
      'ENV A=1',
      'ENV A=2 B=$A C=$TARGETARCH$TARGETVARIANT',
      'COPY app /',
    ]);
    expect(config.env.slice(1)).toEqual(['A=2', 'B=1', 'C=armv7']);
  });

  it('an image’s configuration has the values of ARG before FROM, unless a later ARG has its own', () => {
    const text = [
      'ARG BASE=scratch X=1',
      'ARG Y=${X}2 N',
      'FROM --platform=$TARGETPLATFORM ${BASE} AS final',
      'ARG X Y=mine N Z',
      'ARG TARGETARCH=x TARGETPLATFORM',
      'ENV X2=$X Y2=$Y N2=$N Z2=${Z-none} T=$TARGETARCH-$TARGETPLATFORM',
      'COPY app /',
    ].join('\n');
    const { config, history } = planImage(readDockerfile(Buffer.from(text), 'Dockerfile'), FACTS);
    expect(config.env.slice(1)).toEqual(['X2=1', 'Y2=mine', 'N2=', 'Z2=none', 'T=x-linux/arm/v7']);
    expect(history[0]?.createdBy).toBe('ARG X Y=mine N Z');
  });

  it('an image’s configuration has the maintainer, triggers, the shell, and a health check’s start interval', () => {
    const { config, author } = plan([
      'COPY app /',
      'MAINTAINER Some "One" $W <a@b.c>',
      'ONBUILD   copy  a   b',
      'CMD first',
      'SHELL ["/bin/bash", "-c"]',
      'ENTRYPOINT exec /x',
      'HEALTHCHECK --start-interval=2s CMD /x',
    ]);
    expect(author).toBe('Some "One" $W <a@b.c>');
    expect(config).toMatchObject({
      onBuild: ['copy  a   b'],
      cmd: ['/bin/sh', '-c', 'first'],
      shell: ['/bin/bash', '-c'],
      entrypoint: ['/bin/bash', '-c', 'exec /x'],
      healthcheck: { startInterval: 2e9 },
    });
  });

  it.each(['SIGTERM', 'quit', '9', '64', 'SIGRTMIN+3', 'RTMAX-14'])(
    'an image’s configuration has the signal %s',
    (signal) => {
      expect(plan([`STOPSIGNAL ${signal}`, 'COPY app /']).config.stopSignal).toBe(signal);
    },
  );

  it('an image’s configuration keeps the position of a changed PATH', () => {
    const { config } = plan(['ENV A=1', 'ENV PATH=/x:$PATH', 'COPY app /']);
    expect(config.env).toEqual([
      'PATH=/x:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
      'A=1',
    ]);
  });

  it('an image’s configuration prefers the release’s labels to the Dockerfile’s', () => {
    const { config } = plan(['LABEL a=1 b=2', 'COPY app /'], { labels: { b: '3' } });
    expect(config.labels).toEqual({ a: '1', b: '3' });
  });
});

describe('an image’s history', () => {
  const lines = [
    'ARG TARGETARCH TARGETVARIANT FOO=bar NODEF',
    'COPY --link --chown=1:2 --chmod=755 app /$FOO',
    'EXPOSE 80 53/udp',
    'WORKDIR /',
  ];

  it.each([
    ['moby-26', 'ARG TARGETARCH TARGETVARIANT FOO=bar NODEF', 'EXPOSE map[53/udp:{} 80/tcp:{}]'],
    ['moby-28', 'ARG TARGETARCH=arm TARGETVARIANT=v7 FOO=bar NODEF', 'EXPOSE [53/udp 80/tcp]'],
  ] as const)('an image’s history has the format of %s', (historyFormat, arg, expose) => {
    expect(plan(lines, { historyFormat }).history).toEqual([
      { createdBy: arg, emptyLayer: true },
      { createdBy: 'COPY --chown=1:2 --chmod=755 app /bar # buildkit', emptyLayer: false },
      { createdBy: expose, emptyLayer: true },
      { createdBy: 'WORKDIR /', emptyLayer: true },
    ]);
  });
});

describe('planImage', () => {
  it.each([
    [
      'another platform',
      'FROM --platform=linux/arm64 scratch\nCOPY app /\n',
      ':1: FROM: --platform=linux/arm64: expected the image’s platform, linux/arm/v7',
    ],
    [
      "the builder's platform",
      'FROM --platform=$BUILDPLATFORM scratch\nCOPY app /\n',
      ':1: FROM: BUILDPLATFORM: depends on the build machine',
    ],
    [
      'a platform ARG before FROM',
      'ARG A\nARG TARGETARCH\nFROM scratch\nCOPY app /\n',
      ':2: ARG: TARGETARCH: is predefined for FROM',
    ],
    [
      'a machine ARG before FROM',
      'ARG BUILDPLATFORM\nFROM scratch\nCOPY app /\n',
      ':1: ARG: BUILDPLATFORM: depends',
    ],
  ])('refuses %s', (_, text, message) => {
    expect(() => planImage(readDockerfile(Buffer.from(text), 'Dockerfile'), FACTS)).toThrow(message);
  });

  it.each([
    [
      'a source that leaves the context after variables',
      ['ENV UP=..', 'COPY $UP/x /x'],
      ':3: COPY: ../x: is outside the build context',
    ],
    ['a source that is empty after variables', ['COPY $NONE /x'], ':2: COPY: expected a value'],
    ['an ARG already set by ENV', ['ENV A=1', 'ARG A=2', 'COPY app /'], ':3: ARG: A: is already set by ENV'],
    [
      'an ARG that uses another one from the same line',
      ['ARG A=1 B=$A', 'COPY app /'],
      ':2: ARG: B: uses A from the same ARG',
    ],
    ['an ENV with an invalid name', ['ENV A-B=1', 'COPY app /'], ':2: ENV: expected a name of letters'],
    [
      'an unknown signal',
      ['STOPSIGNAL SIGSTOPP', 'COPY app /'],
      ':2: STOPSIGNAL: expected a signal such as SIGTERM or 15, found "SIGSTOPP"',
    ],
    ['a number that is not a signal', ['STOPSIGNAL 65', 'COPY app /'], ':2: STOPSIGNAL: expected a signal'],
    ['a destination that ends in ..', ['COPY app /a/..'], ':2: COPY: /a/..: ends in ".."'],
    ['a URL', ['ADD https://example.com/x /a'], ':2: ADD: https://example.com/x: is not a file in the build'],
    ['a repository', ['ADD git@example.com:x/y.git /a'], ':2: ADD: git@example.com:x/y.git: is not a file'],
    [
      'a user that is not in the list',
      ['COPY d/sub/passwd /etc/', 'COPY --chown=bob app /'],
      ':3: COPY: --chown: bob: expected a line in /etc/passwd, found root, app',
    ],
    [
      'a list of users that was not read',
      ['COPY app /etc/passwd', 'COPY --chown=bob app /'],
      ':3: COPY: /etc/passwd: is copied from app',
    ],
    [
      'a user by name with --link',
      ['COPY d/sub/passwd /etc/', 'COPY --link --chown=app app /'],
      "names can't be looked up with --link",
    ],
    [
      'an owner without a group after the colon',
      ['COPY --chown=1: app /'],
      ':2: COPY: --chown: expected a user',
    ],
    ['several matches for one file', ['COPY d/[xy]* d/a* /b'], ':2: COPY: /b: expected a folder'],
    [
      'several matches of a single pattern for one file',
      ['COPY [as]* /b'],
      'for the 2 files that the pattern matches',
    ],
    [
      'a pattern that matches nothing',
      ['COPY d/nothing* /b/'],
      ':2: COPY: d/nothing*: expected a file or folder',
    ],
    ['an invalid pattern', ['COPY d/[ /b/'], ':2: COPY: [: expected characters or ranges'],
    ['a source that is excluded', ['COPY --exclude=x d/x /b/'], 'is both a source and excluded'],
    ['an invalid exclusion', ['COPY --exclude=!x d /b/'], ':2: COPY: --exclude=!x: expected a path'],
    ['a symbolic mode that makes folders unreadable', ['COPY --chmod=go= d /b/'], 'BuildKit versions differ'],
    ['X after =', ['COPY --chmod=u=rwX app /b'], ':2: COPY: --chmod: expected a mode'],
    ['a file with a trailing slash', ['COPY app/ /b'], ':2: COPY: app/: expected a file or folder'],
    ['a huge owner', ['COPY --chown=4294967295 app /b'], ':2: COPY: --chown: expected numbers'],
    [
      'more layers than can be mounted',
      Array.from({ length: 128 }, (_, index) => `WORKDIR /${index}`),
      ':129: WORKDIR: creates more than 127 layers',
    ],
  ])('refuses %s', (_, lines, message) => {
    expect(() => plan(lines)).toThrow(message);
  });
});

/** The paths of each layer, as `mode owner time path`, with what links point to. */
function unpacked(...lines: readonly string[]): readonly (readonly string[])[] {
  return plan(lines).layers.map((paths) =>
    paths.map(({ path, mode, uid, gid, mtime, link, file }) => {
      const inner = file?.inside === undefined ? '' : ` of ${file.inside.path}`;
      const target = link === undefined ? inner : ` ${link.type} ${link.target}`;
      return `${mode.toString(8)} ${uid}:${gid} ${mtime ?? 'now'} ${path}${target}`;
    }),
  );
}

// Same results as with BuildKit (moby 26.1.5), except for --chown, which behaves like 0.23 and later.
describe('ADD of an archive', () => {
  const inside = [
    '750 5:6 100 opt/bin',
    '777 5:6 100 opt/bin/a symlink tool',
    '4755 5:6 100 opt/bin/tool of packed/a',
    '4755 5:6 100 opt/bin/zz link opt/bin/tool',
    '755 0:0 now opt/implied',
    '755 0:0 now opt/implied/etc',
    '644 5:6 100 opt/implied/etc/group of packed/a',
    '777 5:6 100 opt/lib symlink implied/etc',
  ];

  it.each([
    ['a folder', 'ADD packed/a /opt/'],
    ['a folder without a slash', 'ADD packed/a /opt'],
    ['a layer of its own', 'ADD --link packed/a /opt'],
    ['a folder by a pattern', 'ADD packed/[a] /opt/'],
  ])('ADD unpacks an archive into %s, with its own modes, owners and times', (_, line) => {
    expect(unpacked(line)).toEqual([['755 0:0 now opt', ...inside]]);
  });

  it('ADD of an archive changes nothing if the same content is already there', () => {
    expect(unpacked('ADD packed/a /opt', 'ADD packed/a /opt/')[1]).toEqual([]);
  });

  it('ADD of an archive follows a link at the destination', () => {
    expect(unpacked('ADD packed/a /opt', 'ADD packed/b /opt/lib')[1]).toEqual([
      '755 0:0 now opt',
      '755 0:0 now opt/implied',
      '755 0:0 now opt/implied/etc',
      '755 0:0 now opt/implied/etc/bin',
      '644 5:6 200 opt/implied/etc/bin/tool of packed/b',
      '644 5:6 200 opt/implied/etc/implied',
    ]);
  });

  it('ADD of an archive gives folders the archive’s time, until something is added to them', () => {
    expect(unpacked('ADD packed/a /opt', 'COPY app /opt/bin/', 'ADD packed/b /opt').slice(1)).toEqual([
      ['755 0:0 now opt', '750 5:6 now opt/bin', '755 0:0 now opt/bin/app'],
      [
        '755 0:0 now opt',
        '750 5:6 now opt/bin',
        '644 5:6 200 opt/bin/tool of packed/b',
        '644 5:6 200 opt/implied',
      ],
    ]);
  });

  it('ADD of an archive gives the destination the build’s time, even if nothing is added to it', () => {
    const again = ['ADD packed/folder /x', 'ADD packed/folder /x/lib'];
    const changed = unpacked(...again, ...again, 'COPY app /x/lib/lib/').at(-1);
    expect(changed).toEqual([
      '755 0:0 now x',
      '644 5:6 now x/lib',
      '644 5:6 now x/lib/lib',
      '755 0:0 now x/lib/lib/app',
    ]);
  });

  it('ADD of an archive keeps the other names of a replaced hard link', () => {
    expect(unpacked('ADD packed/a packed/b /opt/')[0]?.slice(1, 5)).toEqual([
      '750 5:6 now opt/bin',
      '777 5:6 100 opt/bin/a symlink tool',
      '644 5:6 200 opt/bin/tool of packed/b',
      '4755 5:6 100 opt/bin/zz of packed/a',
    ]);
  });

  it('ADD of an archive also copies other files', () => {
    expect(unpacked('ADD app packed/b /opt/')[0]).toContain('755 0:0 now opt/app');
  });

  it('ADD of an archive changes the owner if BuildKit is new enough or the archive has that owner', () => {
    const { needs } = plan(['ADD --chown=7:8 packed/a /opt']);
    expect(needs).toEqual([{ what: 'ADD --chown of an archive with other owners', since: '0.23' }]);
    expect(unpacked('ADD --chown=7:8 packed/b /opt')[0]).toEqual([
      '755 7:8 now opt',
      '755 0:0 now opt/bin',
      '644 7:8 200 opt/bin/tool of packed/b',
      '644 7:8 200 opt/implied',
    ]);
    expect(plan(['ADD --chown=5:6 packed/a /opt']).needs).toEqual([]);
  });

  it.each<[string, readonly string[], string]>([
    ['a hostile archive', ['ADD packed/bad /o'], ':2: ADD: packed/bad: can\'t be unpacked: "../x": leaves'],
    [
      'a mode',
      ['ADD --chmod=755 packed/a /o'],
      ':2: ADD: --chmod=755: builders ignore it for the content of an archive',
    ],
    ['an exclusion', ['ADD --exclude=x packed/a /o'], ':2: ADD: --exclude: builders ignore it'],
    [
      'a file as its destination',
      ['COPY app /o', 'ADD packed/a /o'],
      ':3: ADD: /o is a file, expected a folder',
    ],
    [
      'a file in place of a folder',
      ['COPY d /o/bin/tool', 'ADD packed/a /o'],
      '/o/bin/tool is a folder, but the archive has a file there',
    ],
    [
      'a folder in place of a file',
      ['COPY app /o/bin', 'ADD packed/a /o'],
      '/o/bin is a file, expected a folder',
    ],
    [
      'a folder in place of a link',
      ['ADD packed/a /o', 'ADD packed/folder /o'],
      ':3: ADD: /o/lib is a symbolic link to "implied/etc", expected a folder',
    ],
    [
      'a change of only one name of a hard link',
      ['ADD packed/a /o', 'COPY app /o/bin/zz', 'ADD packed/a /o'],
      ':4: ADD: /o/bin/tool and /o/bin/zz are hard links to one file from an archive',
    ],
    [
      'a path through a link',
      ['ADD packed/a /o', 'ADD packed/through /o'],
      ':3: ADD: /o/lib is a symbolic link to "implied/etc", expected a folder',
    ],
  ])('refuses %s', (_, lines, message) => {
    expect(() => plan(lines)).toThrow(message);
  });
});

describe('what is unplanned', () => {
  const unplanned = (...lines: readonly string[]) => plan(lines).unplanned.map(({ what }) => what);

  it.each<[string, readonly string[], readonly string[]]>([
    ['nothing', ['COPY app /app'], []],
    ['a command', ['COPY app /app', 'RUN x'], ['Dockerfile:3: RUN']],
    [
      'files from an image',
      ['COPY --from=x:1 /a /b', 'RUN y'],
      ['Dockerfile:2: COPY --from=x:1', 'Dockerfile:3: RUN'],
    ],
    [
      'an archive that only BuildKit can read',
      ['ADD packed/x /b/'],
      ['Dockerfile:2: ADD of an archive compressed with xz'],
    ],
    ['an archive that COPY copies', ['COPY packed/x /b/'], []],
    ['an archive inside a folder', ['ADD packed /b/'], []],
    ['a readable archive', ['ADD packed/a /b/'], []],
  ])('what is unplanned for %s is listed by line', (_, lines, expected) => {
    expect(unplanned(...lines)).toEqual(expected);
  });

  it('what is unplanned includes anything for another frontend', () => {
    const dockerfile = readDockerfile(
      Buffer.from('# syntax=docker/dockerfile:1\nFROM scratch\nCOPY app /a\n'),
      'D',
    );
    expect(planImage(dockerfile, FACTS).unplanned).toMatchObject([
      { what: 'D:1: # syntax=docker/dockerfile:1' },
    ]);
  });

  it('a plan with unplanned parts has the context’s files at their final paths', () => {
    const { files, layers, history } = plan([
      'COPY app /opt/app',
      'COPY d/sub /etc/',
      'COPY --from=x /etc/passwd /etc/passwd',
      'RUN adduser server',
      'COPY --chown=server:50 --chmod=500 app /srv/app',
      'COPY --chown=5:6 <<EOF /etc/y',
      'text',
      'EOF',
    ]);
    expect(files.map(({ path, mode, uid, gid }) => `${mode.toString(8)} ${uid}:${gid} ${path}`)).toEqual([
      '644 0:0 etc/group',
      '644 0:0 etc/passwd',
      '644 5:6 etc/y',
      '755 0:0 opt/app',
      '500 -1:-1 srv/app',
    ]);
    expect(layers).toHaveLength(6);
    expect(history.map(({ createdBy, emptyLayer }) => [createdBy.split(' ')[0], emptyLayer])).toEqual([
      ['COPY', false],
      ['COPY', false],
      ['COPY', false],
      ['RUN', false],
      ['COPY', false],
      ['COPY', false],
    ]);
  });

  it('a plan with several stages has the whole configuration', () => {
    const dockerfile = readDockerfile(
      Buffer.from(
        'FROM scratch AS low\nARG V=1\nENV A=$V\nCOPY app /app\nCMD ["low"]\nUSER 5\nFROM low\nENV B=$A$V\nENTRYPOINT ["/app"]\n',
      ),
      'D',
    );
    const { config, unplanned } = planImage(dockerfile, FACTS);
    expect(unplanned).toEqual([]);
    expect(config).toMatchObject({ user: '5', entrypoint: ['/app'] });
    expect(config.cmd).toBeUndefined();
    expect(config.env.slice(1)).toEqual(['A=1', 'B=11']);
  });
});
