import { cp, mkdtemp, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { REF_NAME, writeIndexFile } from '@prebuilt/oci';
import { LAYER_FORGERIES } from '@prebuilt/testing/layers';
import { describeUnpacked, requireUnpackers, skopeoCopy, umociUnpack } from '@prebuilt/testing/unpackers';
import { execa } from 'execa';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { forgeImages, type ImageForgery } from '../testing/forged-image.ts';
import {
  HONEST_LISTED,
  imageForgeries,
  LISTED_FORGERIES,
  LISTED_SAMPLE,
  type NamedForgery,
} from '../testing/image-forgeries.ts';
import { executed, HONEST_CHANGES, reducedForgeries } from '../testing/reduced-forgeries.ts';
import { release } from '../testing/release.ts';
import {
  type ReleaseWorkspace,
  releaseWorkspace,
  SAMPLE_DOCKERFILE,
  type SampleRelease,
} from '../testing/release-workspace.ts';

const PROGRAM = Buffer.from('the program of this platform\n');
const LIBRARY = 'libc';
const TAG = '1.2.3';
/** Without layer forgeries, which are tested with unpackers in libs/oci. */
const WHOLE = imageForgeries(PROGRAM).slice(LAYER_FORGERIES.length);

/** A kind of image: how the honest one is built, how it is forged, and which paths are planned. */
interface Kind {
  readonly title: string;
  readonly sample: Partial<SampleRelease>;
  readonly honest: ImageForgery;
  readonly forgeries: readonly NamedForgery[];
  readonly paths: readonly string[];
  /** The forgeries that umoci 0.4.7 (Debian 12) was seen to unpack as planned. Other tools may differ. */
  readonly asPlanned: readonly string[];
  /** The forgeries that umoci was seen to refuse. */
  readonly refused: readonly string[];
}

const KINDS: readonly Kind[] = [
  {
    title: 'with a full proof',
    sample: {},
    honest: {},
    forgeries: WHOLE.filter(({ publishedOnly }) => publishedOnly !== true),
    paths: ['app', 'lib', 'lib/libc.so.6'],
    asPlanned: [
      // umoci ignores these, but an engine uses them.
      'a health check',
      'an instruction for images built on it',
      'a shell',
      'an operating system version',
      'a shorter history',
      'a history that marks a layer as empty',
      // The last one counts for umoci.
      'two "config" objects',
      'a duplicate environment',
      'a duplicate list of layers',
      // These matter when fetching the image or looking for its referrers.
      'a layer annotation with a table of contents (zstd:chunked)',
      'a layer annotation with a table of contents (eStargz)',
      'a URL to fetch a layer from',
      'an inline configuration',
      'a foreign layer with the same diffID',
      'a subject',
      'annotations',
      'an artifact type',
      // The layers have no files in common.
      'its layers in a different order',
      'an additional empty layer',
    ],
    refused: ["a layer with Docker's media type", 'a different diffID'],
  },
  {
    title: 'with listed files',
    sample: LISTED_SAMPLE,
    honest: HONEST_LISTED,
    forgeries: LISTED_FORGERIES,
    paths: [
      ...['app', 'etc/group', 'etc/passwd', 'etc/shadow', 'tmp'],
      ...['opt', 'opt/same', 'opt/start', 'opt/tool'],
    ],
    asPlanned: [],
    // `nonroot` is undefined.
    refused: ['no layer with listed files'],
  },
  {
    title: 'with commands',
    sample: {},
    honest: executed(HONEST_CHANGES),
    forgeries: reducedForgeries(PROGRAM, LIBRARY),
    paths: ['app', 'lib', 'lib/libc.so.6'],
    asPlanned: [
      // umoci goes by the order of entries, unlike other unpackers.
      'a file that is added and removed in one layer',
      'a file that is removed and added in one layer',
      // There is nothing with that name.
      'another kind of whiteout',
      // The verified files are there, along with more or less than planned.
      'two layers for one command',
      'no layer for the command',
      'a history without the command',
      // umoci ignores it, but an engine uses it.
      'a health check',
    ],
    refused: ['a different diffID'],
  },
];

let workspace: ReleaseWorkspace;
let folder: string;
beforeEach(async ({ skip }) => {
  await requireUnpackers(skip);
  folder = await mkdtemp(workspace.path('image-'));
});

/** Creates the workspace and the honest image for the tests in a `describe`. */
async function makeHonest(sample: Partial<SampleRelease>): Promise<() => Promise<void>> {
  const runtime = { 'lib/libc.so.6': { content: LIBRARY, mode: '0755' } } as const;
  const defaults = {
    dockerfile: SAMPLE_DOCKERFILE,
    platforms: ['linux/amd64'],
    executable: PROGRAM,
    runtime,
  };
  workspace = await releaseWorkspace({ ...defaults, ...sample });
  await release(workspace);
  return () => workspace.remove();
}

/** Forges a copy of the honest layout, with a tag. */
async function forge(forgery: ImageForgery): Promise<string> {
  const layout = join(folder, 'image');
  await rm(layout, { recursive: true, force: true });
  await cp(workspace.path('dist/oci'), layout, { recursive: true });
  await writeIndexFile(layout, await forgeImages(layout, forgery), { [REF_NAME]: TAG });
  return layout;
}

/** How umoci unpacks an image: the files at these paths and what a runtime would start, or `refused`. */
async function unpacked(layout: string, paths: readonly string[]): Promise<readonly string[] | 'refused'> {
  const bundle = join(folder, 'bundle');
  if (!(await umociUnpack(layout, TAG, bundle))) return 'refused';
  const files = await describeUnpacked(join(bundle, 'rootfs'), paths);
  return [...files, await readFile(join(bundle, 'config.json'), 'utf8')];
}

describe.each(KINDS)('an image $title', ({ sample, honest, forgeries, paths, asPlanned, refused }) => {
  let planned: readonly string[] | 'refused' | undefined;
  beforeAll(() => makeHonest(sample));
  beforeEach(async () => {
    planned ??= await unpacked(await forge(honest), paths);
    await rm(join(folder, 'bundle'), { recursive: true, force: true });
  });

  it('can be unpacked, and all listed forgeries exist', () => {
    expect(planned).toHaveLength(paths.length + 1);
    const titles = forgeries.map(({ title }) => title);
    expect(titles).toEqual(expect.arrayContaining([...asPlanned, ...refused]));
  });

  const rows = forgeries.map((forgery) => ({
    ...forgery,
    seen: asPlanned.includes(forgery.title)
      ? 'as planned'
      : refused.includes(forgery.title)
        ? 'refused'
        : 'otherwise',
  }));
  it.each(rows)('that has $title is unpacked $seen by umoci, and copied by skopeo', async (forgery) => {
    const layout = await forge(forgery);
    const [found] = await Promise.all([
      unpacked(layout, paths),
      skopeoCopy(layout, TAG, join(folder, 'copy')),
    ]);
    if (forgery.seen === 'refused') expect(found).toBe('refused');
    else if (forgery.seen === 'as planned') expect(found).toEqual(planned);
    else for (const other of [planned, 'refused']) expect(found).not.toEqual(other);
  });
});

describe('an index', () => {
  let planned: readonly string[] | undefined;
  beforeAll(() => makeHonest({ platforms: ['linux/amd64', 'linux/arm64'] }));

  /** The configuration of the image that skopeo chooses for each platform. */
  const chosen = (layout: string): Promise<readonly string[]> =>
    Promise.all(
      ['amd64', 'arm64'].map(async (architecture) => {
        const platform = ['--override-os=linux', `--override-arch=${architecture}`];
        const args = [...platform, 'inspect', '--config', '--raw', `oci:${layout}:${TAG}`];
        const { failed, stdout } = await execa('skopeo', args, { reject: false });
        return failed ? 'refused' : stdout;
      }),
    );

  beforeEach(async () => {
    planned ??= await chosen(await forge({}));
  });

  it('leads skopeo to the planned images', () => {
    expect(new Set(planned).size).toBe(2);
    expect(planned).not.toContain('refused');
  });

  // The others affect other kinds of clients, whose interpretation may not match the plan.
  const misleading = ['its platforms swapped', 'a missing platform'];
  const rows = WHOLE.filter(({ publishedOnly }) => publishedOnly === true).map((forgery) => ({
    ...forgery,
    where: misleading.includes(forgery.title) ? 'to other images' : 'to the planned images',
  }));
  it.each(rows)('an index that has $title leads skopeo $where', async (forgery) => {
    const found = await chosen(await forge(forgery));
    if (forgery.where === 'to other images') expect(found).not.toEqual(planned);
    else expect(found).toEqual(planned);
  });
});
