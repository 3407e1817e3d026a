import { digestOf } from '@prebuilt/oci';
import { describe, expect, it } from 'vitest';
import { parsePlatform } from '../../artifacts/platform.ts';
import type { DockerRelease } from './run.ts';
import { formatRelease, showProgress } from './show.ts';

const amd64 = parsePlatform('linux/amd64');
const layer = (done: number) => ({ platform: amd64, layer: 2, layers: 2, done, total: 2 * 1024 * 1024 });

describe('showProgress', () => {
  it('progress is one line per finished layer if the output is not a terminal', () => {
    const written: string[] = [];
    const progress = showProgress({ isTTY: false, write: (text) => written.push(text) });
    progress.layer(layer(0));
    progress.layer(layer(1024 * 1024));
    progress.layer(layer(2 * 1024 * 1024));
    progress.line('other');
    expect(written).toEqual(['linux/amd64 layer 2/2: 2.0 MiB\n', 'other\n']);
  });

  it('progress shows the bytes done on one line of a terminal', () => {
    const written: string[] = [];
    const progress = showProgress({ isTTY: true, write: (text) => written.push(text) });
    progress.layer(layer(1024 * 1024));
    progress.layer(layer(1024 * 1024));
    expect(written).toEqual(['\rlinux/amd64 layer 2/2: 1.0 MiB of 2.0 MiB\u001b[K']);
  });
});

describe('formatRelease', () => {
  it('formatRelease returns a table that ends with the index', () => {
    const digest = digestOf('x');
    const release: DockerRelease = {
      builder: 'daemonless',
      digest,
      images: [{ platform: amd64, digest, imageId: digest, size: 54_000_000, timeMs: 1234 }],
    };
    expect(formatRelease(release).split('\n')).toEqual([
      `platform     digest${' '.repeat(67)}size      time`,
      `linux/amd64  ${digest}  51.5 MiB  1.2 s`,
      `index ${digest}`,
    ]);
  });

  it('formatRelease says what a reduced proof does not cover', () => {
    const digest = digestOf('x');
    const image = { platform: amd64, digest, imageId: digest, size: 1, timeMs: 1 };
    const reducedProof = {
      because: ['D:2: RUN', 'D:3: COPY --from=x'],
      unprovenFiles: 118,
      starts: { path: '/sbin/tini', proven: false },
    };
    const release: DockerRelease = { builder: 'buildx', digest, images: [{ ...image, reducedProof }] };
    const last = formatRelease(release).split('\n').at(-1);
    expect(last).toContain('linux/amd64: reduced proof, because of D:2: RUN, D:3: COPY --from=x');
    expect(last).toContain('118 other files and links were not compared with anything');
    expect(last).toContain('it starts /sbin/tini, which is not a verified file');
  });
});
