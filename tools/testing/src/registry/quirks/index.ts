import { AUTHORIZATION_QUIRKS } from './authorization.ts';
import { CONTENT_QUIRKS } from './content.ts';
import { REFERRERS_QUIRKS, TAG_QUIRKS } from './lists.ts';
import type { Quirk } from './quirk.ts';
import { UPLOAD_QUIRKS } from './uploads.ts';

export type { Quirk, QuirkOutcome } from '../fake-registry/behavior.ts';
export { QUIRK_USER } from './authorization.ts';
export { SKOPEO_FAILS } from './skopeo-fails.ts';

/** The quirks by topic. */
export { AUTHORIZATION_QUIRKS, CONTENT_QUIRKS, REFERRERS_QUIRKS, TAG_QUIRKS, UPLOAD_QUIRKS };

/** Every quirk of a real registry that the fake one can simulate. */
export const QUIRKS: readonly Quirk[] = [
  ...AUTHORIZATION_QUIRKS,
  ...UPLOAD_QUIRKS,
  ...CONTENT_QUIRKS,
  ...TAG_QUIRKS,
  ...REFERRERS_QUIRKS,
];
