import type { ExpectedImage, ImageLayout } from '@prebuilt/oci';
import { expect, it } from 'vitest';
import { layoutRecord, requireLayoutRecord } from './layout-record.ts';

const MANIFEST = 'a'.repeat(64);
const REFUSAL = {
  code: 'PUBLISH',
  subject: 'dist/oci: is not the image that was planned',
  hint: '',
} as const;
const image = (architecture: string, change: Partial<ExpectedImage> = {}): ExpectedImage => ({
  platform: { os: 'linux', architecture },
  config: { env: ['A=1'], workingDir: '' },
  created: 1,
  history: [{ createdBy: 'COPY a /a # buildkit', emptyLayer: false }],
  layers: [[{ type: 'file', path: 'a', uid: 0, gid: 0, mode: 0o755, mtime: 1, size: 1, sha256: MANIFEST }]],
  ...change,
});
const images = [image('amd64'), image('arm64')];
const record = layoutRecord(MANIFEST, images);
const layout = (annotations: Readonly<Record<string, string>> | undefined) =>
  ({ root: { annotations } }) as unknown as ImageLayout;

it('a layout that names this manifest and this plan is taken, in whatever order its platforms were planned', () => {
  expect(layoutRecord(MANIFEST, images.toReversed())).toEqual(record);
  expect(() => requireLayoutRecord(layout({ other: 'x', ...record }), record, REFUSAL)).not.toThrow();
});

it('the wording of the history, which is up to the builder, is no part of the record', () => {
  const worded = images.map((each) => ({
    ...each,
    history: [{ createdBy: 'COPY a /a', emptyLayer: false }],
  }));
  expect(layoutRecord(MANIFEST, worded)).toEqual(record);
});

it.each<[string, Readonly<Record<string, string>> | undefined]>([
  ['says nothing of a plan', undefined],
  ['is of another manifest', layoutRecord('b'.repeat(64), images)],
  ['lacks a platform', layoutRecord(MANIFEST, images.slice(1))],
  [
    'was planned with another environment',
    layoutRecord(MANIFEST, [image('amd64', { config: { env: [], workingDir: '' } }), image('arm64')]),
  ],
  [
    'was planned with another file',
    layoutRecord(MANIFEST, [image('amd64', { layers: [[]] }), image('arm64')]),
  ],
  ['was planned for another time', layoutRecord(MANIFEST, [image('amd64', { created: 2 }), image('arm64')])],
])('a layout that %s is refused', (_, annotations) => {
  expect(() => requireLayoutRecord(layout(annotations), record, REFUSAL)).toThrow(
    /^dist\/oci: is not the image that was planned: index\.json: dev\.prebuilt\.(plan|manifest)\.digest: expected sha256:/,
  );
});
