// biome-ignore-all lint/suspicious/noTemplateCurlyInString: variables of a Dockerfile, not of a template
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DockerfileError } from './errors.ts';
import { readDockerfile } from './read-dockerfile.ts';

const SOURCE = 'Dockerfile.release';
const read = (text: string | Uint8Array) => readDockerfile(Buffer.from(text), SOURCE);
const body = (...lines: readonly string[]) =>
  read(['FROM scratch', ...lines, 'COPY a /a', ''].join('\n')).instructions;

describe('readDockerfile', () => {
  it('reads each instruction with its line number', () => {
    const { instructions } = read(
      '# comment\n\nfrom scratch\n\nCOPY --chown=1:2 --link a \\\n  # inside\n  b /c/\nUSER 65534\n',
    );
    expect(instructions).toEqual([
      {
        keyword: 'COPY',
        line: 5,
        sources: ['a', 'b'],
        destination: '/c/',
        chown: '1:2',
        chmod: undefined,
        link: true,
        parents: false,
        exclude: [],
        documents: [],
      },
      { keyword: 'USER', line: 8, word: '65534' },
    ]);
  });

  it.each([
    [
      'ENV A=1 B="two words"',
      {
        keyword: 'ENV',
        pairs: [
          { name: 'A', value: '1' },
          { name: 'B', value: '"two words"' },
        ],
      },
    ],
    ['ENV A one two', { keyword: 'ENV', pairs: [{ name: 'A', value: 'one two' }] }],
    [
      'ARG A B=c',
      {
        keyword: 'ARG',
        pairs: [
          { name: 'A', value: undefined },
          { name: 'B', value: 'c' },
        ],
      },
    ],
    ['CMD ["a", "b c"]', { keyword: 'CMD', command: { form: 'exec', args: ['a', 'b c'] } }],
    ['ENTRYPOINT exec /a "$B"', { keyword: 'ENTRYPOINT', command: { form: 'shell', text: 'exec /a "$B"' } }],
    ['VOLUME ["/a b", "/c"]', { keyword: 'VOLUME', words: ['/a b', '/c'] }],
    ['EXPOSE 80 81/udp', { keyword: 'EXPOSE', words: ['80', '81/udp'] }],
    ['WORKDIR /a b', { keyword: 'WORKDIR', word: '/a b' }],
    ['MAINTAINER Some "One" <a@b.c>', { keyword: 'MAINTAINER', text: 'Some "One" <a@b.c>' }],
    ['ONBUILD   copy  a   b', { keyword: 'ONBUILD', text: 'copy  a   b' }],
    ['SHELL ["/bin/bash", "-c"]', { keyword: 'SHELL', args: ['/bin/bash', '-c'] }],
    ['LABEL solo x y', { keyword: 'LABEL', pairs: [{ name: 'solo', value: 'x y' }] }],
    [
      'ADD --exclude=*.md --exclude=x/** a b /c/',
      {
        keyword: 'ADD',
        sources: ['a', 'b'],
        documents: [],
        destination: '/c/',
        chown: undefined,
        chmod: undefined,
        link: false,
        parents: false,
        exclude: ['*.md', 'x/**'],
      },
    ],
  ])('reads %s', (line, expected) => {
    expect(body(line)[0]).toEqual({ ...expected, line: 2 });
  });

  it('reads a health check, with durations in nanoseconds', () => {
    const [healthcheck] = body('HEALTHCHECK --interval=1m30s --timeout=500ms --retries=3 CMD ["/a"]');
    expect(healthcheck).toMatchObject({
      check: {
        interval: 90e9,
        timeout: 500e6,
        startPeriod: 0,
        retries: 3,
        command: { form: 'exec', args: ['/a'] },
      },
    });
  });

  it.each(['scratch', 'debian:12', `gcr.io/distroless/static@sha256:${'a'.repeat(64)}`, '[::1]:5000/b:1'])(
    'reads the base image %s',
    (image) => {
      expect(read(`# the base\nFROM ${image}\nCOPY a /a\n`).from).toMatchObject({ image, line: 2 });
    },
  );

  it('expands an ARG before FROM in the image’s name', () => {
    const { from } = read('ARG V=12 I=debian\nARG T=${I}:$V\nFROM ${T:-x} AS y\nCOPY a /a\n');
    expect(from.image).toBe('debian:12');
  });

  it('reads an ARG before FROM, the platform, and the stage’s name', () => {
    const { globals, from } = read(
      'ARG A=1 B\n# c\nARG C=$A\nFROM --platform=$TARGETPLATFORM scratch as Final\nCOPY a /a\n',
    );
    expect(globals).toEqual([
      { name: 'A', value: '1', line: 1 },
      { name: 'B', value: undefined, line: 1 },
      { name: 'C', value: '$A', line: 3 },
    ]);
    expect(from).toEqual({ image: 'scratch', platform: '$TARGETPLATFORM', name: 'final', line: 4 });
  });

  // Same as in BuildKit 0.13.2.
  it('reads here-documents in all their forms, and what is between them', () => {
    const [copy, next] = body(
      'COPY --chmod=600 x <<EOF <<-"a.txt" <<\'c\' \\',
      '  /dir/',
      '# no comment',
      ' $A',
      'EOF',
      '\t\ttabs',
      '\ta.txt',
      'c',
      'USER 1',
    );
    expect(copy).toMatchObject({
      sources: ['x'],
      destination: '/dir/',
      documents: [
        { name: 'EOF', text: '# no comment\n $A\n', expands: true },
        { name: 'a.txt', text: 'tabs\n', expands: false },
        { name: 'c', text: '', expands: false },
      ],
    });
    expect(next).toMatchObject({ keyword: 'USER', line: 10 });
  });

  it('combines the last stage with the stages it is based on, and omits the ones it does not need', () => {
    const { from, instructions, images } = read(
      [
        'FROM golang:1 AS unused',
        'NOT an instruction',
        'FROM --platform=$BUILDPLATFORM alpine:3 AS Certs',
        'RUN --mount=type=cache,target=/x --mount=from=tools:2,target=/t apk add ca-certificates',
        'FROM base:1 AS low',
        'ENV A=1',
        'FROM low AS mid',
        'COPY --from=certs /etc/ssl /etc/ssl',
        'COPY --from=1 /x /x',
        'COPY --from=nginx:1 /y /y',
        'FROM MID',
        'RUN <<EOF',
        'FROM not a stage',
        'EOF',
        'COPY a /a',
      ].join('\n'),
    );
    expect(from).toMatchObject({ image: 'base:1', line: 5 });
    expect(instructions.map(({ keyword, line }) => `${line} ${keyword}`)).toEqual([
      '6 ENV',
      '7 FROM',
      '8 COPY',
      '9 COPY',
      '10 COPY',
      '11 FROM',
      '12 RUN',
      '15 COPY',
    ]);
    expect(images).toEqual([
      { image: 'alpine:3', line: 3 },
      { image: 'tools:2', line: 4 },
      { image: 'nginx:1', line: 10 },
    ]);
  });

  it('lists the base among the other images if another stage also starts from it', () => {
    const { images } = read('FROM x AS a\nRUN y\nFROM x\nCOPY --from=a /b /b\n');
    expect(images).toEqual([{ image: 'x', line: 1 }]);
  });

  it('reads the frontend from a syntax line', () => {
    const { frontend, escapeCharacter } = read(
      '# Syntax = docker/dockerfile:1@sha256:0\n# escape=`\nFROM a\nRUN x\n',
    );
    expect(frontend).toEqual({ image: 'docker/dockerfile:1@sha256:0', line: 1 });
    expect(escapeCharacter).toBe('`');
  });

  it('reads two escape characters at the end of a line as one, without continuing the line', () => {
    expect(body('ENV A=a\\\\').map(({ keyword }) => keyword)).toEqual(['ENV', 'COPY']);
  });

  it('treats a comment that looks like a directive as a comment', () => {
    expect(read('# hello=world\nFROM scratch\nCOPY a /a\n').instructions).toHaveLength(1);
  });

  it('honors the escape directive', () => {
    const { instructions } = read('# escape=`\nFROM scratch\nCOPY a `\n /a\nENV A=b\\\n');
    expect(instructions.map(({ keyword, line }) => [keyword, line])).toEqual([
      ['COPY', 3],
      ['ENV', 5],
    ]);
  });

  it.each([
    [
      'RUN without a command',
      'FROM scratch\nCOPY a /a\nRUN\n',
      'DOCKERFILE_SYNTAX',
      /:3: RUN: expected a command/,
    ],
    [
      'ONBUILD in a stage that another one starts from',
      'FROM scratch AS a\nCOPY a /a\nONBUILD RUN x\nFROM a\n',
      'DOCKERFILE_REFUSED',
      /:3: ONBUILD: is not supported in a stage that/,
    ],
    [
      'COPY --from with a variable',
      'FROM scratch\nCOPY --from=$X a /a\n',
      'DOCKERFILE_REFUSED',
      /:2: COPY: expected the name of a stage or an image, found "\$X"/,
    ],
    [
      'a RUN mount from a variable',
      'FROM scratch\nRUN --mount=type=bind,from=${X},target=/x x\n',
      'DOCKERFILE_REFUSED',
      /:2: RUN: expected the name of a stage/,
    ],
    [
      'COPY --from with a here-document',
      'FROM scratch\nCOPY --from=x a <<E /a/\nE\n',
      'DOCKERFILE_SYNTAX',
      /:2: COPY: --from: here-documents are not supported/,
    ],
    [
      'a stage without a base',
      'FROM scratch AS a\nCOPY a /a\nFROM\n',
      'DOCKERFILE_SYNTAX',
      /:3: FROM: expected an image/,
    ],
    [
      'FROM without an image',
      'FROM --platform=x\nCOPY a /a\n',
      'DOCKERFILE_SYNTAX',
      /:1: FROM: expected an image/,
    ],
    [
      'FROM with too many words',
      'FROM scratch as x y\nCOPY a /a\n',
      'DOCKERFILE_SYNTAX',
      /:1: FROM: expected an image/,
    ],
    [
      'an invalid stage name',
      'FROM scratch as -x\nCOPY a /a\n',
      'DOCKERFILE_SYNTAX',
      /:1: FROM: expected a stage name/,
    ],
    [
      'a different first instruction',
      'ARG A\nCOPY a /a\n',
      'DOCKERFILE_REFUSED',
      /:2: COPY: expected FROM as the first/,
    ],
    [
      'ADD --checksum',
      'FROM scratch\nADD --checksum=x a /a\n',
      'DOCKERFILE_REFUSED',
      /:2: ADD: the flag --checksum/,
    ],
    [
      'ADD --parents',
      'FROM scratch\nADD --parents a /a\n',
      'DOCKERFILE_REFUSED',
      /:2: ADD: the flag --parents/,
    ],
    [
      'SHELL without a list',
      'FROM scratch\nCOPY a /a\nSHELL /bin/sh\n',
      'DOCKERFILE_SYNTAX',
      /:3: SHELL: expected a JSON list/,
    ],
    [
      'ONBUILD FROM',
      'FROM scratch\nCOPY a /a\nONBUILD from x\n',
      'DOCKERFILE_REFUSED',
      /:3: ONBUILD: from can't be/,
    ],
    [
      'ONBUILD without arguments',
      'FROM scratch\nCOPY a /a\nONBUILD RUN\n',
      'DOCKERFILE_SYNTAX',
      /:3: ONBUILD: expected an instr/,
    ],
    [
      'ONBUILD with a here-document',
      'FROM scratch\nCOPY a /a\nONBUILD COPY <<E /a\nE\n',
      'DOCKERFILE_REFUSED',
      /:3: ONBUILD: a here/,
    ],
    [
      'a here-document without an end',
      'FROM scratch\nCOPY <<EOF /a\nx\n',
      'DOCKERFILE_SYNTAX',
      /:2: COPY: expected a line "EOF"/,
    ],
    [
      'a here-document with an invalid name',
      'FROM scratch\nCOPY <<"a b" /a\na b\n',
      'DOCKERFILE_SYNTAX',
      /:2: COPY: expected a here-document name/,
    ],
    [
      'a here-document whose name is a folder',
      'FROM scratch\nCOPY <<.. /a/\nx\n..\n',
      'DOCKERFILE_SYNTAX',
      /:2: COPY: expected a here-document name/,
    ],
    [
      'a here-document with a file descriptor',
      'FROM scratch\nCOPY 3<<EOF /a\nEOF\n',
      'DOCKERFILE_SYNTAX',
      /:2: COPY: expected each here-document/,
    ],
    [
      'a here-document as a destination',
      'FROM scratch\nCOPY a <<EOF\nEOF\n',
      'DOCKERFILE_SYNTAX',
      /:2: COPY: expected/,
    ],
    [
      'a here-document in a list',
      'FROM scratch\nCOPY ["<<EOF", "/a"]\n',
      'DOCKERFILE_SYNTAX',
      /:2: COPY: expected each here-document/,
    ],
    [
      'a here-document with CRLF line endings',
      'FROM scratch\r\nCOPY <<EOF /a\r\nEOF\r\n',
      'DOCKERFILE_REFUSED',
      /:2: COPY: a here-document in a file/,
    ],
    [
      'an unsupported escape character',
      '# escape=x\nFROM scratch\nCOPY a /a\n',
      'DOCKERFILE_REFUSED',
      /:1: "# escape=": expected/,
    ],
    [
      'two escape directives',
      '# escape=`\n#escape=`\nFROM scratch\nCOPY a /a\n',
      'DOCKERFILE_REFUSED',
      /:2: "# escape=" is given twice/,
    ],
    [
      'an escape directive below another directive',
      '# a=b\n# escape=`\nFROM scratch\nCOPY a /a\n',
      'DOCKERFILE_REFUSED',
      /:2: not every builder recognizes "# escape=" below another/,
    ],
    [
      'an unknown instruction',
      'FROM scratch\nCOPPY a /a\n',
      'DOCKERFILE_SYNTAX',
      /:2: COPPY: is not an instruction/,
    ],
    [
      'a different base for each platform',
      'FROM base-$TARGETARCH\nCOPY a /a\n',
      'DOCKERFILE_REFUSED',
      /:1: FROM: TARGETARCH in the image's name/,
    ],
    [
      'a base without a name',
      'ARG A\nFROM $A\nCOPY a /a\n',
      'DOCKERFILE_REFUSED',
      /:2: FROM: expected "scratch" or/,
    ],
    [
      'a syntax line without a valid image',
      '# syntax=docker/dockerfile:1 x\nFROM scratch\nCOPY a /a\n',
      'DOCKERFILE_REFUSED',
      /:1: "# syntax=": expected an image reference, found "docker\/dockerfile:1 x"/,
    ],
    [
      'a second syntax line',
      '# syntax=a\n# syntax=b\nFROM scratch\nCOPY a /a\n',
      'DOCKERFILE_REFUSED',
      /:2: not every builder recognizes "# syntax="/,
    ],
    [
      'a syntax line further down',
      'FROM scratch\n #Syntax = x\nCOPY a /a\n',
      'DOCKERFILE_REFUSED',
      /:2: not every builder recognizes "# syntax="/,
    ],
    [
      'a syntax line after #!',
      '#!/usr/bin/x\n# syntax=x\nFROM scratch\nCOPY a /a\n',
      'DOCKERFILE_REFUSED',
      /:2: not every builder recognizes "# syntax="/,
    ],
    [
      'a check line',
      '# check=skip=all\nFROM scratch\nCOPY a /a\n',
      'DOCKERFILE_REFUSED',
      /:1: a "# check=" line/,
    ],
    ['no layer', 'FROM scratch\nUSER 1\n', 'DOCKERFILE_REFUSED', /without any layer/],
    ['nothing', '', 'DOCKERFILE_SYNTAX', /found no instruction/],
    [
      'COPY without a destination',
      'FROM scratch\nCOPY a\n',
      'DOCKERFILE_SYNTAX',
      /:2: COPY: expected at least one source/,
    ],
    [
      'a list that is not JSON',
      'FROM scratch\nCOPY a /a\nCMD ["a", b]\n',
      'DOCKERFILE_SYNTAX',
      /:3: CMD: expected a JSON list/,
    ],
    [
      'a list of numbers',
      'FROM scratch\nCOPY a /a\nCMD [1]\n',
      'DOCKERFILE_SYNTAX',
      /:3: CMD: expected a JSON list/,
    ],
    [
      'a control character in a list',
      'FROM scratch\nCOPY a /a\nCMD ["\\u0007"]\n',
      'DOCKERFILE_SYNTAX',
      /control characters/,
    ],
    [
      'a control character',
      'FROM scratch\nCOPY a\u0007 /a\n',
      'DOCKERFILE_SYNTAX',
      /:2: the character U\+0007/,
    ],
    ['a non-ASCII space', 'FROM scratch\nCOPY a\u00a0/a\n', 'DOCKERFILE_SYNTAX', /:2: the character U\+00A0/],
    ['a lone carriage return', 'FROM scratch\rCOPY a /a\n', 'DOCKERFILE_SYNTAX', /:1: the character U\+000D/],
    [
      'a continued last line',
      'FROM scratch\nCOPY a /a \\\n',
      'DOCKERFILE_SYNTAX',
      /:2: expected a line after the trailing/,
    ],
    [
      'ENV without a value',
      'FROM scratch\nCOPY a /a\nENV A\n',
      'DOCKERFILE_SYNTAX',
      /:3: ENV: expected name=value/,
    ],
    ['ENV with a word without "="', 'FROM scratch\nCOPY a /a\nENV A=1 b\n', 'DOCKERFILE_SYNTAX', /found "b"/],
    [
      'an invalid duration',
      'FROM scratch\nCOPY a /a\nHEALTHCHECK --interval=5 CMD a\n',
      'DOCKERFILE_SYNTAX',
      /--interval: expected a duration/,
    ],
    [
      'no retries',
      'FROM scratch\nCOPY a /a\nHEALTHCHECK --retries=0 CMD a\n',
      'DOCKERFILE_SYNTAX',
      /--retries: expected a number from 1/,
    ],
    [
      'a duplicate flag',
      'FROM scratch\nCOPY --link --link a /a\n',
      'DOCKERFILE_SYNTAX',
      /--link is given twice/,
    ],
    [
      'too many bytes',
      `FROM scratch\n${'# comment\n'.repeat(8000)}`,
      'DOCKERFILE_SYNTAX',
      /at most 65536 bytes/,
    ],
    ['too many lines', `FROM scratch\n${'\n'.repeat(2000)}`, 'DOCKERFILE_SYNTAX', /at most 1000 lines/],
  ])('refuses %s with line and instruction', (_, text, code, message) => {
    let refusal: unknown;
    try {
      read(text);
    } catch (error) {
      refusal = error;
    }
    expect(refusal).toBeInstanceOf(DockerfileError);
    expect(refusal).toMatchObject({ code, message: expect.stringMatching(message) });
  });

  it('refuses a file that is not UTF-8', () => {
    expect(() => read(Buffer.from([0x46, 0xff, 0xfe]))).toThrow(/expected UTF-8/);
  });
});

const GOOD = [
  'FROM scratch',
  '# escape=`',
  'ARG TARGETARCH TARGETVARIANT=x',
  `COPY --chmod=755 a-\${TARGETARCH:-x} "/b c"`,
  'ENV A=1 B="two words" C=\'x\'',
  'HEALTHCHECK --interval=5s CMD ["/a", "b"]',
  'LABEL a=b \\',
  '  c=d',
  'COPY <<EOF /a',
  'EOF',
  'ENTRYPOINT ["/a"]',
];
const piece = fc.oneof(
  fc.constantFrom(
    ...GOOD,
    'FROM',
    'COPY',
    'RUN <<A <<B',
    'ONBUILD',
    '\\',
    '`',
    '"',
    "'",
    '$',
    '${',
    '${A:-',
    '[',
    '["',
    '#',
    '# syntax=',
    '\n',
    ' \\\n',
    '\r\n',
    '\t',
    '=',
  ),
  fc.string({ unit: 'binary', maxLength: 30 }),
);

/** Runs readDockerfile and returns its outcome, its CPU time (ms) and its memory (bytes). */
function outcomeOf(bytes: Uint8Array): {
  readonly typed: boolean;
  readonly ms: number;
  readonly memory: number;
} {
  const memory = process.memoryUsage().rss;
  const started = process.cpuUsage();
  let typed = true;
  try {
    readDockerfile(bytes, SOURCE);
  } catch (error) {
    typed = error instanceof DockerfileError;
  }
  const { user, system } = process.cpuUsage(started);
  return { typed, ms: (user + system) / 1000, memory: process.memoryUsage().rss - memory };
}

describe('readDockerfile for any input', () => {
  it('reads random and mutated text, or throws its own error, within 1 s and 256 MiB', () => {
    fc.assert(
      fc.property(
        fc
          .array(piece, { maxLength: 40 })
          .chain((pieces) => fc.constantFrom(pieces.join('\n'), pieces.join(''), pieces.join(' '))),
        (text) => {
          const outcome = outcomeOf(Buffer.from(text));
          expect(outcome.typed).toBe(true);
          expect(outcome.ms).toBeLessThan(1000);
          expect(outcome.memory).toBeLessThan(256 * 1024 * 1024);
        },
      ),
      { numRuns: 2000 },
    );
  });

  it('throws its own error for random bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 2000 }), (bytes) => {
        expect(outcomeOf(bytes).typed).toBe(true);
      }),
      { numRuns: 500 },
    );
  });

  it.each([
    ['quotes', 'FROM scratch\nENV A="', '"'],
    ['variables', 'FROM scratch\nENV A=', '${A:-'],
    ['lists', 'FROM scratch\nCMD ', '['],
    ['continued lines', 'FROM scratch\nENV A=1 ', '\\\n '],
    ['instructions', 'FROM scratch\n', 'COPY a b\n'],
    ['words', 'FROM scratch\nLABEL ', 'a=b '],
    ['flags', 'FROM scratch\nCOPY ', '--link '],
    ['here-documents', 'FROM scratch\nCOPY ', '<<A '],
    ['nested triggers', 'FROM scratch\n', 'ONBUILD '],
    ['hashes', 'FROM scratch\n', '#'],
    ['escapes', 'FROM scratch\nENV A=', '\\'],
    ['spaces', 'FROM scratch\nENV A', ' '],
    ['here-documents of RUN', 'FROM scratch\nRUN ', '<<A\n'],
  ])('needs at most 1 s and 256 MiB for 64 KiB of %s', (_, start, repeated) => {
    const text = (start + repeated.repeat(65_536 / repeated.length)).slice(0, 65_536);
    for (const end of ['', '\n', 'x\n']) {
      const outcome = outcomeOf(Buffer.from(text.slice(0, 65_536 - end.length) + end));
      expect(outcome.typed).toBe(true);
      expect(outcome.ms).toBeLessThan(1000);
      expect(outcome.memory).toBeLessThan(256 * 1024 * 1024);
    }
  });
});
