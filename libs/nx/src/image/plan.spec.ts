import { describe, expect, it } from 'vitest';
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
const context: BuildContext = {
  files: [
    file('app', 'app', 0o755),
    file('d/x'),
    file('d/sub/y'),
    file('d/a-b'),
    file('d/a/z'),
    file('same', 'd/x'),
  ],
  folders: [{ path: 'empty', mode: 0o755 }],
};
const FACTS: ImageFacts = {
  platform: { os: 'linux', architecture: 'arm', variant: 'v7' },
  context,
  labels: {},
  historyFormat: 'moby-26',
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

// What BuildKit (moby 26.1.5) made of the same instructions.
describe('the layers of an image', () => {
  it('hold what was copied after the folders above it, sorted as a walk', () => {
    expect(layers('COPY d /opt/d')).toEqual([
      [
        '755 0:0 opt',
        '755 0:0 opt/d',
        '755 0:0 opt/d/a',
        '644 0:0 opt/d/a/z',
        '644 0:0 opt/d/a-b',
        '755 0:0 opt/d/sub',
        '644 0:0 opt/d/sub/y',
        '644 0:0 opt/d/x',
      ],
    ]);
  });

  it('are empty where nothing changes', () => {
    expect(
      layers('COPY app /a', 'COPY app /a', 'COPY empty/ /', 'WORKDIR /w', 'WORKDIR /w').map(
        (each) => each.length,
      ),
    ).toEqual([1, 0, 0, 1, 0]);
  });

  it('are empty for another file with the same content', () => {
    expect(layers('COPY d/x /a', 'COPY same /a')[1]).toEqual([]);
  });

  it('hold a file whose mode or owner changes', () => {
    expect(
      layers('COPY app /o/a', 'COPY --chmod=4755 app /o/a', 'COPY --chown=7 --chmod=4755 app /o/a').slice(1),
    ).toEqual([
      ['755 0:0 o', '4755 0:0 o/a'],
      ['755 0:0 o', '4755 7:7 o/a'],
    ]);
  });

  it('give new folders the owner of the copy, and leave those that are there', () => {
    expect(
      layers('COPY --chown=5:6 d/sub /x/', 'COPY --chown=7:8 d/sub /x/', 'COPY --chown=9 app /x/new/'),
    ).toEqual([
      ['755 5:6 x', '644 5:6 x/y'],
      ['755 5:6 x', '644 7:8 x/y'],
      ['755 5:6 x', '755 9:9 x/new', '755 9:9 x/new/app'],
    ]);
  });

  it('change the owner of a folder that is copied over, not of the one copied into', () => {
    expect(layers('COPY d /x', 'COPY --chown=3 d/sub /x/sub', 'COPY --chown=4 d /x')[2]).toContain(
      '755 4:4 x/sub',
    );
    expect(layers('COPY d /x', 'COPY --chown=3 d/sub /x/sub')[1]).toEqual([
      '755 0:0 x',
      '755 0:0 x/sub',
      '644 3:3 x/sub/y',
    ]);
  });

  it('give the folder of WORKDIR to the user', () => {
    expect(layers('USER 65534', 'WORKDIR /home/u', 'COPY app .')).toEqual([
      ['755 65534:65534 home', '755 65534:65534 home/u'],
      ['755 65534:65534 home', '755 65534:65534 home/u', '755 0:0 home/u/app'],
    ]);
  });

  it('hold all of a linked copy, whatever is there', () => {
    expect(
      layers('COPY app /o/a', 'COPY --link app /o/a', 'COPY --link d/x /o', 'COPY app /p').slice(1),
    ).toEqual([['755 0:0 o', '755 0:0 o/a'], ['644 0:0 o'], ['755 0:0 p']]);
  });

  it('take a file into a folder where the destination is one', () => {
    expect(layers('COPY d /d', 'COPY app /d/sub')[1]).toEqual([
      '755 0:0 d',
      '755 0:0 d/sub',
      '755 0:0 d/sub/app',
    ]);
  });
});

describe('the configuration of an image', () => {
  it('has the values that variables had before the instruction', () => {
    const { config } = plan([
      'ARG TARGETARCH TARGETVARIANT',
      'ENV A=1',
      'ENV A=2 B=$A C=$TARGETARCH$TARGETVARIANT',
      'COPY app /',
    ]);
    expect(config.env.slice(1)).toEqual(['A=2', 'B=1', 'C=armv7']);
  });

  it('edits PATH in place', () => {
    const { config } = plan(['ENV A=1', 'ENV PATH=/x:$PATH', 'COPY app /']);
    expect(config.env).toEqual([
      'PATH=/x:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
      'A=1',
    ]);
  });

  it('takes the labels of the release over those of the Dockerfile', () => {
    const { config } = plan(['LABEL a=1 b=2', 'COPY app /'], { labels: { b: '3' } });
    expect(config.labels).toEqual({ a: '1', b: '3' });
  });
});

describe('the history of an image', () => {
  const lines = [
    'ARG TARGETARCH TARGETVARIANT FOO=bar NODEF',
    'COPY --link --chown=1:2 --chmod=755 app /$FOO',
    'EXPOSE 80 53/udp',
    'WORKDIR /',
  ];

  it.each([
    ['moby-26', 'ARG TARGETARCH TARGETVARIANT FOO=bar NODEF', 'EXPOSE map[53/udp:{} 80/tcp:{}]'],
    ['moby-28', 'ARG TARGETARCH=arm TARGETVARIANT=v7 FOO=bar NODEF', 'EXPOSE [53/udp 80/tcp]'],
  ] as const)('is worded as %s does', (historyFormat, arg, expose) => {
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
      'a source that leaves the context after variables',
      ['ENV UP=..', 'COPY $UP/x /x'],
      ':3: COPY: ../x: is outside the build context',
    ],
    ['a source that is empty after variables', ['COPY $NONE /x'], ':2: COPY: expected a value'],
    ['an ARG that ENV has set', ['ENV A=1', 'ARG A=2', 'COPY app /'], ':3: ARG: A: is set by ENV'],
    [
      'an ARG that uses another of the same line',
      ['ARG A=1 B=$A', 'COPY app /'],
      ':2: ARG: B: uses A of the same ARG',
    ],
    ['an ENV with an odd name', ['ENV A-B=1', 'COPY app /'], ':2: ENV: expected a name of letters'],
    ['a destination with ..', ['COPY app /a/../b'], ':2: COPY: /a/../b: "." and ".." are not supported'],
    ['a file named as a folder', ['COPY app/ /b'], ':2: COPY: app/: expected a file or folder'],
    ['a huge owner', ['COPY --chown=4294967295 app /b'], ':2: COPY: --chown: expected numbers'],
    [
      'more layers than can be mounted',
      Array.from({ length: 128 }, (_, index) => `WORKDIR /${index}`),
      ':129: WORKDIR: makes more than 127 layers',
    ],
  ])('refuses %s', (_, lines, message) => {
    expect(() => plan(lines)).toThrow(message);
  });
});
