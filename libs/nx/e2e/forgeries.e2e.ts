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
/** Those of the layers alone are put before unpackers in libs/oci. */
const WHOLE = imageForgeries(PROGRAM).slice(LAYER_FORGERIES.length);

/** A kind of images: how the honest one is made, how it is forged, and which of its paths the plan is about. */
interface Kind {
  readonly title: string;
  readonly sample: Partial<SampleRelease>;
  readonly honest: ImageForgery;
  readonly forgeries: readonly NamedForgery[];
  readonly paths: readonly string[];
  /** From which umoci 0.4.7 (Debian 12) was seen to make what was planned: others read them otherwise, or may. */
  readonly asPlanned: readonly string[];
  /** Which umoci was seen to refuse. */
  readonly refused: readonly string[];
}

const KINDS: readonly Kind[] = [
  {
    title: 'proven whole',
    sample: {},
    honest: {},
    forgeries: WHOLE.filter(({ publishedOnly }) => publishedOnly !== true),
    paths: ['app', 'lib', 'lib/libc.so.6'],
    asPlanned: [
      // It has no use for them; an engine has.
      'a health check',
      'an instruction for images built on it',
      'a shell',
      'a version of its operating system',
      'a shorter history',
      'a history that calls a layer empty',
      // The last one counts for it.
      'two configurations in one',
      'an environment that is given twice',
      'a list of layers that is given twice',
      // For those who fetch the image, or look for what belongs to it.
      'an annotation of a layer that names a table of files (zstd:chunked)',
      'an annotation of a layer that names a table of files (eStargz)',
      'an address to fetch a layer from',
      'a configuration inline',
      'a foreign layer of the same diffID',
      'a subject',
      'annotations',
      'a type of its own',
      // The files of one layer are not in the other.
      'its layers in another order',
      'an empty layer more',
    ],
    refused: ["a layer of Docker's type", 'another diffID'],
  },
  {
    title: 'of listed files',
    sample: LISTED_SAMPLE,
    honest: HONEST_LISTED,
    forgeries: LISTED_FORGERIES,
    paths: [
      ...['app', 'etc/group', 'etc/passwd', 'etc/shadow', 'tmp'],
      ...['opt', 'opt/same', 'opt/start', 'opt/tool'],
    ],
    asPlanned: [],
    // Nothing says who `nonroot` is.
    refused: ['no layer of listed files'],
  },
  {
    title: 'for which something was executed',
    sample: {},
    honest: executed(HONEST_CHANGES),
    forgeries: reducedForgeries(PROGRAM, LIBRARY),
    paths: ['app', 'lib', 'lib/libc.so.6'],
    asPlanned: [
      // The order of entries decides, which other unpackers don't go by.
      'a file that is added and removed at once',
      'a file that is removed and added at once',
      // Nothing has that name.
      'a whiteout of another kind',
      // The verified files are there, and more or less than was planned is beside them.
      'two layers for one command',
      'no layer of the command',
      'a history without the command',
      // It has no use for it; an engine has.
      'a health check',
    ],
    refused: ['another diffID'],
  },
];

let workspace: ReleaseWorkspace;
let folder: string;
beforeEach(async ({ skip }) => {
  await requireUnpackers(skip);
  folder = await mkdtemp(workspace.path('image-'));
});

/** Makes the workspace and the honest image for the tests of a `describe`. */
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

/** Forges a copy of the honest layout, under a tag. */
async function forge(forgery: ImageForgery): Promise<string> {
  const layout = join(folder, 'image');
  await rm(layout, { recursive: true, force: true });
  await cp(workspace.path('dist/oci'), layout, { recursive: true });
  await writeIndexFile(layout, await forgeImages(layout, forgery), { [REF_NAME]: TAG });
  return layout;
}

/** What umoci makes of an image: the files at these paths, and what a runtime is told to start; or that it refuses it. */
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

  it('is unpacked, and its forgeries are the ones that were seen', () => {
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

  /** The configuration of the image that skopeo takes for each platform. */
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

  // The others are for clients of another kind: what they read into them is not planned.
  const misleading = ['its platforms swapped', 'one platform less'];
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
