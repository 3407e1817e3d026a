import type { Digest, ExpectedImage, ImageLayout } from '@prebuilt/oci';
import { expect, it } from 'vitest';
import { layoutRecord, requireLayoutRecord } from './layout-record.ts';

const MANIFEST = 'a'.repeat(64);
const INDEX = `sha256:${'c'.repeat(64)}` as Digest;
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
const record = layoutRecord(MANIFEST, images, INDEX);
const layout = (annotations: Readonly<Record<string, string>> | undefined) =>
  ({ root: { annotations } }) as unknown as ImageLayout;

it('a layout with this manifest and plan is accepted, in whatever order its platforms were planned', () => {
  expect(layoutRecord(MANIFEST, images.toReversed(), INDEX)).toEqual(record);
  expect(() => requireLayoutRecord(layout({ other: 'x', ...record }), record, REFUSAL)).not.toThrow();
});

it('the history’s wording, which depends on the builder, is not part of the record', () => {
  const worded = images.map((each) => ({
    ...each,
    history: [{ createdBy: 'COPY a /a', emptyLayer: false }],
  }));
  expect(layoutRecord(MANIFEST, worded, INDEX)).toEqual(record);
});

it.each<[string, Readonly<Record<string, string>> | undefined]>([
  ['has no plan', undefined],
  ['is for another manifest', layoutRecord('b'.repeat(64), images, INDEX)],
  ['lacks a platform', layoutRecord(MANIFEST, images.slice(1), INDEX)],
  [
    'was planned with a different environment',
    layoutRecord(MANIFEST, [image('amd64', { config: { env: [], workingDir: '' } }), image('arm64')], INDEX),
  ],
  [
    'was planned with a different file',
    layoutRecord(MANIFEST, [image('amd64', { layers: [[]] }), image('arm64')], INDEX),
  ],
  [
    'was planned for a different time',
    layoutRecord(MANIFEST, [image('amd64', { created: 2 }), image('arm64')], INDEX),
  ],
])('a layout that %s is refused', (_, annotations) => {
  expect(() => requireLayoutRecord(layout(annotations), record, REFUSAL)).toThrow(
    /^dist\/oci: is not the image that was planned: index\.json: dev\.prebuilt\.(plan|manifest)\.digest: expected sha256:/,
  );
});

it('a layout with a reduced proof says so, and its image cannot be replaced', () => {
  const unplanned = { because: ['Dockerfile:3: RUN'], files: images[0]?.layers[0] ?? [] };
  const partial = [image('amd64', { layers: [[]], unplanned })];
  const made = layoutRecord(MANIFEST, partial, INDEX);
  expect(made).toMatchObject({ 'dev.prebuilt.proof': 'reduced' });
  expect(Object.keys(record)).not.toContain('dev.prebuilt.proof');
  const other = layoutRecord(MANIFEST, partial, `sha256:${'d'.repeat(64)}` as Digest);
  expect(() => requireLayoutRecord(layout(made), other, REFUSAL)).toThrow(/dev\.prebuilt\.image\.digest/);
  const fewer = layoutRecord(
    MANIFEST,
    [image('amd64', { layers: [[]], unplanned: { ...unplanned, files: [] } })],
    INDEX,
  );
  expect(() => requireLayoutRecord(layout(made), fewer, REFUSAL)).toThrow(/dev\.prebuilt\.plan\.digest/);
});
