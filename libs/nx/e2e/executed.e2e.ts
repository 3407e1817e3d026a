import { execFileSync } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readImageLayout } from '@prebuilt/oci';
import { type FakeRegistry, startFakeRegistry } from '@prebuilt/testing/registry';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { publishRelease } from '../testing/publish-release.ts';
import { release, useRealEngine } from '../testing/release.ts';
import { type ReleaseWorkspace, releaseWorkspace } from '../testing/release-workspace.ts';
import { type BaseFile, type MadeBase, makeBase, putBase } from '../testing/sample-base.ts';

await useRealEngine();

const PROGRAMS = ['sh', 'cat', 'chmod', 'ln', 'mkdir', 'mknod', 'mv', 'rm'];

/** This machine's own programs with their libraries: a base that can execute something, and need not be downloaded. */
async function shellLayer(): Promise<readonly BaseFile[]> {
  const files = new Map<string, string>();
  for (const name of PROGRAMS) {
    const path = execFileSync('sh', ['-c', `command -v ${name}`], { encoding: 'utf8' }).trim();
    files.set(`bin/${name}`, path);
    const { stdout } = await execa('ldd', [path]);
    for (const [library] of stdout.matchAll(/\/\S+/g)) files.set(library.slice(1), library);
  }
  return Promise.all(
    [...files].map(async ([path, source]) => ({ path, content: await readFile(source), mode: '755' })),
  );
}

/** A file of the workspace that is an archive: `inner/one`, and a link to it. */
async function archive(): Promise<Buffer> {
  const folder = await mkdtemp(join(tmpdir(), 'archive-'));
  try {
    execFileSync('mkdir', [join(folder, 'inner')]);
    await writeFile(join(folder, 'inner/one'), 'one\n');
    execFileSync('ln', ['-s', 'one', join(folder, 'inner/two')]);
    return execFileSync('tar', ['-C', folder, '-cz', 'inner']);
  } finally {
    await rm(folder, { recursive: true });
  }
}

let registry: FakeRegistry;
let base: MadeBase;
let workspace: ReleaseWorkspace;
let from: string;
beforeAll(async () => {
  registry = await startFakeRegistry();
  base = makeBase({
    layers: [
      [
        ...(await shellLayer()),
        { path: 'etc/passwd', content: 'root:x:0:0:root:/root:/bin/sh\n' },
        { path: 'etc/group', content: 'root:x:0:\n' },
        { path: 'old/a', content: 'a' },
        { path: 'old/b', content: 'b' },
      ],
    ],
    config: { Env: ['PATH=/opt:/bin'], Cmd: ['sh'] },
    platforms: [{ architecture: 'amd64', os: 'linux' }],
  });
  putBase(registry, 'bases/shell', base);
  from = `${registry.host}/bases/shell@${base.digest}`;
  workspace = await releaseWorkspace({
    dockerfile: 'FROM scratch\nWORKDIR /x\n',
    platforms: ['linux/amd64'],
    listed: {
      entries: [{ path: 'data.tar.gz', to: '/data.tar.gz' }],
      workspace: { 'data.tar.gz': { content: await archive() } },
    },
  });
});
afterAll(async () => {
  await registry.close();
  await workspace.remove();
});

const RUN = 'RUN --network=none';
const build = (lines: readonly string[]) =>
  release(
    workspace,
    { builder: 'auto', dockerfile: 'Dockerfile.release' },
    { dockerfile: Buffer.from([...lines, ''].join('\n')) },
  );
const START = ['COPY --chmod=755 app-linux-amd64 /opt/app', 'COPY runtime-linux-amd64/ /'];

describe('an image for which something is executed, by a real builder,', () => {
  it('an image for which something is executed, by a real builder, is built from stages and images by digest, proven in part, and published with the same words', async () => {
    const { image } = await build([
      `FROM ${from} AS helper`,
      `${RUN} echo zone > /zone`,
      `FROM ${from} AS low`,
      'ARG V=1',
      'ENV A=$V',
      'CMD ["low"]',
      'FROM low',
      'ENV B=$A$V',
      ...START,
      `COPY --from=helper /zone /etc/zone`,
      `COPY --from=${from} /old /old2`,
      `${RUN} <<EOF`,
      'echo "server:x:7:7::/:/bin/sh" >> /etc/passwd',
      'rm /old/a && rm -r /old2 && mkdir /old2 && echo c > /old2/c',
      'ln -s /opt/app /opt/link && ln /opt/link /opt/link2 && echo d > /d && ln /d /d2',
      'mknod /fifo p; mknod /null c 1 3',
      'EOF',
      'COPY --chown=server app-linux-amd64 /opt/own',
      'ADD files/data.tar.gz /data/',
      `${RUN} true`,
      'USER server',
      'ENTRYPOINT ["app"]',
    ]);
    expect(image.builder).toBe('buildx');
    expect(image.images[0]?.reducedProof).toEqual({
      because: [
        'Dockerfile.given:11: COPY --from=helper',
        `Dockerfile.given:12: COPY --from=${from}`,
        'Dockerfile.given:13: RUN',
        'Dockerfile.given:21: RUN',
      ],
      // zone, passwd, old2/c, link, link2, d, d2, fifo, null, and the link of the archive
      unprovenFiles: 10,
      starts: { path: '/opt/app', proven: true },
    });
    const [found] = (await readImageLayout(workspace.path('dist/oci'))).images;
    expect(found?.manifest.layers[0]?.digest).toBe(base.blobs[0]?.descriptor.digest);
    expect(found?.config.config?.Env).toEqual(['PATH=/opt:/bin', 'A=1', 'B=11']);

    const options = { dockerfile: 'Dockerfile.given' };
    const refused = await publishRelease(workspace, `${registry.host}/owner/app`, {
      ...options,
      requireFullProof: true,
    });
    expect(refused.output).toContain(
      'error PROOF_REDUCED: Dockerfile.given:11: COPY --from=helper (and 3 more)',
    );
    const { success, output } = await publishRelease(workspace, `${registry.host}/owner/app`, options);
    expect(success, output).toBe(true);
    expect(output).toContain('10 other files and links were not compared with anything');
  });

  it.each([
    ['replaces the executable', 'echo evil > /opt/app', /\/opt\/app: expected SHA-256/],
    [
      'puts a link in the place of its folder',
      'mv /opt /o && ln -s /o /opt',
      /\/opt: expected a folder, found a link to "\/o"/,
    ],
    ['removes a runtime file', 'rm -r /lib/libc.so.6', /\/lib\/libc\.so\.6: expected a file, found nothing/],
    ['lets everybody write it', 'chmod 777 /opt/app', /\/opt\/app: expected mode 0755, found mode 0777/],
  ])(
    'an image for which something is executed, by a real builder, is refused where what is executed %s',
    async (_, command, named) => {
      await expect(build([`FROM ${from}`, ...START, `${RUN} ${command}`, 'CMD ["app"]'])).rejects.toThrow(
        named,
      );
    },
  );
});
