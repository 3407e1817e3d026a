// biome-ignore-all lint/suspicious/noTemplateCurlyInString: variables of a Dockerfile, not of a template
import type { SampleRelease } from './release-workspace.ts';
import { SAMPLE_ARCHIVES } from './sample-archives.ts';

/** A typical Dockerfile.release, and what it needs in its workspace. */
export interface SampleDockerfile {
  readonly title: string;
  readonly lines: readonly string[];
  readonly sample?: Omit<SampleRelease, 'dockerfile'>;
}

const EXEC = 'app-linux-$TARGETARCH';
const RUNTIME = 'runtime-linux-$TARGETARCH';
const ARCH = 'ARG TARGETARCH';

const LISTED: NonNullable<SampleRelease['listed']> = {
  entries: [
    'users',
    'tmp',
    { path: 'config', to: '/etc/server', owner: 'nonroot', mode: '0440' },
    { path: 'LICENSE', to: '/licenses/LICENSE' },
    { path: 'web', to: '/srv/web' },
  ],
  workspace: {
    'config/server.yaml': { content: 'port: 8080\n' },
    'config/extra.yaml': { content: 'x: 1\n' },
    'config/notes.txt': { content: 'notes\n' },
    LICENSE: { content: 'MIT\n' },
    'web/index.html': { content: '<html>\n' },
    'web/assets/app.js': { content: 'x\n' },
    'web/assets/deep/a b.css': { content: 'y\n' },
    'web/run.sh': { content: '#!/bin/sh\n', mode: '0755' },
  },
};
const listed = { listed: LISTED };
const archives = {
  listed: { entries: Object.keys(SAMPLE_ARCHIVES).map((path) => ({ path })), workspace: SAMPLE_ARCHIVES },
};

/**
 * Dockerfiles from scratch, modeled on thirty public ones that copy prebuilt executables (goreleaser, ko, cargo-dist,
 * nfpm and handwritten ones). Both builders must build the same image from each.
 */
export const FROM_SCRATCH: readonly SampleDockerfile[] = [
  {
    title: 'one executable and nothing else',
    lines: ['FROM scratch', ARCH, `COPY ${EXEC} /usr/bin/app`, 'ENTRYPOINT ["/usr/bin/app"]'],
  },
  {
    title: 'a named stage for the target platform',
    lines: [
      'FROM --platform=$TARGETPLATFORM scratch AS final',
      'ARG TARGETPLATFORM TARGETOS TARGETARCH',
      'COPY app-${TARGETOS}-${TARGETARCH} /$TARGETPLATFORM/app',
      'ENTRYPOINT ["/linux/amd64/app"]',
    ],
  },
  {
    title: 'versions and paths as arguments before FROM',
    lines: [
      'ARG BASE=scratch',
      'ARG PREFIX=/opt VERSION=1.2.3-rc.1+build',
      'FROM ${BASE}',
      'ARG PREFIX VERSION EMPTY',
      ARCH,
      'ENV VERSION=${VERSION} MAJOR=${VERSION%%.*} LINE=${VERSION%.*} PLAIN=${VERSION%%[-+]*} PRE=${VERSION#*-} SLUG=${VERSION//./-} FIRST=${VERSION/./_} LAST=${VERSION##*.}',
      'ENV DEFAULT=${EMPTY:-none} SET=${VERSION:+yes} MUST=${VERSION:?missing} GONE=${EMPTY#x}',
      `COPY ${EXEC} \${PREFIX}/\${VERSION%%-*}/bin/app`,
      'WORKDIR ${PREFIX}/${VERSION%%-*}',
    ],
  },
  {
    title: 'the platform in a path, with its slashes replaced',
    lines: [
      'FROM scratch',
      'ARG TARGETPLATFORM',
      'COPY app-${TARGETPLATFORM//\\//-} /bin/app',
      'LABEL platform=${TARGETPLATFORM} os=${TARGETPLATFORM%%/*} arch=${TARGETPLATFORM##*/}',
    ],
  },
  {
    title: 'a stage based on another stage, and an unused one',
    lines: [
      'FROM scratch AS unused',
      'RUN make',
      'FROM scratch AS low',
      'ARG V=1',
      'ENV A=$V',
      'CMD ["low"]',
      'USER 5',
      'WORKDIR /srv',
      ARCH,
      'FROM low',
      'ENV B=$A$V',
      `COPY ${EXEC} app`,
      'ENTRYPOINT ["./app"]',
    ],
  },
  {
    title: 'the platform by a pattern',
    lines: ['FROM scratch', 'COPY app-* /app', 'COPY runtime-*/ /', 'ENTRYPOINT ["/app"]'],
  },
  {
    title: 'an inline configuration file',
    lines: [
      'FROM scratch',
      ARCH,
      `COPY ${EXEC} /app`,
      'ENV PORT=8080',
      'COPY <<EOF /etc/app.toml',
      'port = "$PORT"',
      '# a comment stays, \\$PORT too',
      "arch = '${TARGETARCH}'",
      '',
      'EOF',
      'COPY --chmod=0400 --chown=65532:65532 <<-"SECRET" <<two.txt /etc/app.d/',
      '\t\traw $PORT',
      'SECRET',
      'second ${PORT:-x}',
      'two.txt',
      'COPY --link <<EMPTY /etc/empty',
      'EMPTY',
      'CMD ["/app", "--config=/etc/app.toml"]',
    ],
  },
  {
    title: 'inline lists of users, and their files',
    lines: [
      'FROM scratch',
      ARCH,
      'COPY <<EOF /etc/passwd',
      'root:x:0:0:root:/root:/sbin/nologin',
      'app:x:10001:10002:app:/home/app:/sbin/nologin',
      'EOF',
      'COPY <<EOF /etc/group',
      'root:x:0:',
      'app:x:10002:',
      'data:x:20000:app',
      'EOF',
      `COPY --chown=app:data --chmod=550 ${EXEC} /home/app/bin/app`,
      `COPY --chown=app ${EXEC} /a`,
      `COPY --chown=:data ${EXEC} /b`,
      `COPY --chown=77:data ${EXEC} /c`,
      `COPY --chown=app:0 ${EXEC} /d`,
      'USER app',
      'WORKDIR /home/app/work',
      'USER app:data',
      'WORKDIR /data',
    ],
  },
  {
    title: 'listed users, a configuration that they own, and /tmp',
    lines: [
      'FROM scratch',
      ARCH,
      'COPY files/ /',
      'COPY --chown=nonroot:nonroot files-65532-65532/etc/server/ /etc/server/',
      `COPY ${EXEC} /server`,
      'USER nonroot',
      'WORKDIR /var/lib/server',
      'ENTRYPOINT ["/server"]',
    ],
    sample: listed,
  },
  {
    title: 'listed files by patterns',
    lines: [
      'FROM scratch',
      ARCH,
      'COPY files-65532-65532/etc/server/*.yaml /etc/',
      'COPY files/srv/web/*/*.js files/licenses/LIC?NSE /mixed/',
      'COPY files/srv/w[a-f]b/[^i]* /web/',
      'COPY ["files/srv/web/assets/deep/a b.css", "/with space/"]',
      `COPY app-[a-z]* /bin/`,
    ],
    sample: listed,
  },
  {
    title: 'ADD instead of COPY',
    lines: [
      'FROM scratch',
      ARCH,
      `ADD --chmod=755 --chown=5:6 ${EXEC} /app`,
      'ADD files/srv/web /web/',
      'ADD files/licenses/LICENSE files/etc/passwd /both/',
      'WORKDIR /w',
      'ADD files/licenses/LICENSE ./k/../l',
      `ADD --link ${EXEC} /link/`,
    ],
    sample: listed,
  },
  {
    title: 'archives unpacked into existing and new folders',
    lines: [
      'FROM scratch',
      ARCH,
      'ADD files/root.tar.gz /',
      `COPY ${EXEC} /usr/bin/app`,
      'ADD --link files/site.tar.zst /srv/www',
      'ADD --chown=5:6 files/owned.tar /srv/own/',
      'ADD --chown=5:6 files/owned.tar files/text.gz /usr/absolute/',
      'COPY files/site.tar.zst /usr/share/archives/',
      'ADD files/text.gz /text',
      'ADD files/*.tar* /all/',
      'USER web',
      'WORKDIR /usr/absolute/work',
      'ENTRYPOINT ["app"]',
    ],
    sample: archives,
  },
  {
    title: 'archives unpacked over each other',
    lines: [
      'FROM scratch',
      ARCH,
      `COPY ${EXEC} /zero`,
      'ADD files/root.tar.gz /',
      'ADD files/root.tar.gz /',
      'ADD files/over.tar /',
      'ADD files/over.tar files/root.tar.gz /again/',
      'ADD files/root.tar.gz files/over.tar /again/',
      'ADD --link files/over.tar /',
      'ADD files/site.tar.zst files/site.tar.zst /usr/bin/',
      `COPY --chown=7 ${RUNTIME}/ /usr/`,
      `COPY ${EXEC} /copy`,
    ],
    sample: archives,
  },
  {
    title: 'old instructions',
    lines: [
      'FROM scratch',
      'MAINTAINER Some "One" $X <one@example.com>',
      ARCH,
      'LABEL description An old   label "of two words"',
      'ENV GREETING hello  world',
      `COPY ${EXEC} /app`,
      'EXPOSE 80 443/tcp 5000-5002/udp',
      'VOLUME ["/data", "/logs"]',
      'ONBUILD COPY   config /etc/config',
      'ONBUILD RUN echo "$GREETING" \\',
      '   | cat',
      'CMD ["/app"]',
    ],
  },
  {
    title: 'a custom shell, and health checks',
    lines: [
      'FROM scratch',
      ARCH,
      `COPY ${EXEC} /app`,
      `COPY ${EXEC} /bin/sh`,
      'CMD first $X',
      'SHELL ["/app", "-x", "a \\"b\\""]',
      'HEALTHCHECK --start-interval=500ms --start-period=30s --interval=1m --timeout=5s --retries=3 CMD ["/app", "health"]',
      'HEALTHCHECK --start-interval=2s CMD /app health || exit 1',
      'ENTRYPOINT exec /app "$@"',
      'STOPSIGNAL SIGINT',
    ],
  },
  {
    title: 'destinations with . and ..',
    lines: [
      'FROM scratch',
      ARCH,
      `COPY ${EXEC} /a/../b/./c`,
      `COPY ${EXEC} ../../top/`,
      'WORKDIR /w/x',
      `COPY ${EXEC} ../y`,
      `COPY ${EXEC} ./../z/`,
      `COPY ./${RUNTIME}/lib/ .`,
    ],
  },
  {
    title: 'another escape character, with comments that look like directives below',
    lines: [
      '# escape=`',
      '',
      '# hello=world',
      'FROM scratch',
      ARCH,
      `COPY ${EXEC} \``,
      '  # inside',
      '',
      '  /app',
      'ENV WINDOWS=C:\\path DOLLAR=`$X',
      'COPY <<EOF /doc',
      'tick ` and \\$TARGETARCH $TARGETARCH',
      'EOF',
    ],
  },
  {
    title: 'arguments that override the platform',
    lines: [
      'ARG SUFFIX=amd64',
      'FROM scratch',
      'ARG TARGETARCH=amd64 SUFFIX',
      'COPY app-linux-$SUFFIX /$TARGETARCH/',
      'ENV A=$TARGETARCH',
    ],
    sample: { platforms: ['linux/amd64'] },
  },
  {
    title: 'linked copies of everything, in separate layers',
    lines: [
      'FROM scratch',
      ARCH,
      'COPY --link files/ /',
      `COPY --link --chown=1000:1000 --chmod=755 ${EXEC} /usr/local/bin/`,
      'COPY --link files/srv/web/assets/* /srv/web/',
      'COPY --link=false files/licenses /usr/share/licenses',
    ],
    sample: listed,
  },
  {
    title: 'patterns that match folders and files with the same names',
    lines: [
      'FROM scratch',
      ARCH,
      `COPY ${RUNTIME}/* /all/`,
      `COPY ${RUNTIME}/l*/* /deep/`,
      `COPY */lib/* /other/`,
    ],
    sample: {
      runtime: {
        'lib/libc.so.6': { content: 'libc', mode: '0755' },
        'lib/sub/x': { content: 'x' },
        'lib64/ld.so': { content: 'ld', mode: '0755' },
        'etc/libc.so.6': { content: 'other' },
      },
    },
  },
  {
    title: 'all kinds of quotes in labels and environment',
    lines: [
      'FROM scratch',
      ARCH,
      `COPY ${EXEC} /app`,
      'ENV A="a\\"b" B=\'c"d\' C=e\\ f D="$A $ \\$A" E=$A$B F=',
      'LABEL "with space"="x y" plain=\'$A\' "q\\"q"=z multi="one \\',
      'two" "$TARGETARCH"=arch',
    ],
  },
];

/** The Dockerfile's text. */
export function textOf({ lines }: SampleDockerfile): string {
  return `${lines.join('\n')}\n`;
}
