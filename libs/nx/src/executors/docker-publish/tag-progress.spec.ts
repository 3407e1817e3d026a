import { OciError, parseImageRepository } from '@prebuilt/oci';
import { expect, it } from 'vitest';
import { PrebuiltError } from '../../errors.ts';
import type { RepositoryPlan, TagStep } from './plan.ts';
import { createTagProgress } from './tag-progress.ts';

const tag = (name: string, step: TagStep['step']): TagStep => ({
  tag: name,
  kind: 'moving',
  move: step !== 'leave',
  reason: '',
  step,
  from: undefined,
});

const FIRST = tag('1.2.3', 'move');
const PLAN: RepositoryPlan = {
  repository: parseImageRepository('ghcr.io/acme/server'),
  label: 'ghcr.io/acme/server',
  reference: 'ghcr.io/acme/server',
  abandonedUploads: 0,
  mountFrom: undefined,
  tags: [FIRST, tag('1.2', 'keep'), tag('1', 'move'), tag('latest', 'leave')],
};
const TAGS = 'ghcr.io/acme/server: moved: 1.2.3, 1.2; not yet: 1';

it.each<[string, Error, string]>([
  [
    'an unavailable registry',
    new OciError('REGISTRY_UNAVAILABLE', 'gone', { hint: 'Wait.' }),
    `Wait.\n${TAGS}`,
  ],
  ['a refusal', new OciError('REGISTRY_REFUSED', 'no'), `Run it again: finished work is kept.\n${TAGS}`],
  ['changed content', new OciError('DIGEST_MISMATCH', 'other'), TAGS],
  [
    'an interrupt',
    new PrebuiltError('INTERRUPTED', 'stopped', { hint: 'Existing output is unchanged.' }),
    `Run it again: finished work is kept.\n${TAGS}`,
  ],
  ['a taken tag', new PrebuiltError('TAG_EXISTS', 'taken', { hint: 'Wait.' }), `Wait.\n${TAGS}`],
])('the hint after %s says which tags moved', async (_, error, hint) => {
  const progress = createTagProgress([{ plan: PLAN }]);
  const work = progress.told(async () => {
    progress.note(FIRST);
    throw error;
  });
  const { name, message } = error;
  await expect(work).rejects.toMatchObject({ name, message, hint });
});

it('an unexpected error is passed on unchanged', async () => {
  const defect = new TypeError('a defect');
  await expect(createTagProgress([{ plan: PLAN }]).told(() => Promise.reject(defect))).rejects.toBe(defect);
});
