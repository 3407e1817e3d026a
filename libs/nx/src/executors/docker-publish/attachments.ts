import type { Descriptor } from '@prebuilt/oci';
import { type Artifact, attach } from '@prebuilt/oci/registry';
import type { AttachmentRecord } from '../../artifacts/publish-record.ts';
import { PrebuiltError } from '../../errors.ts';
import type { AttachmentPlan, PublishPlan } from './plan.ts';
import { sbomArtifact } from './sbom.ts';
import { signImage } from './sign.ts';
import type { PublishTarget } from './target.ts';

/** An attachment that is ready to be uploaded, or why it could not be created. */
export interface ReadyAttachment {
  readonly plan: AttachmentPlan;
  readonly made: Artifact | { readonly refused: string };
}

/** What happened to the attachments in one repository; null if none was planned. */
export interface Attachments {
  readonly sbom: AttachmentRecord | null;
  readonly signature: AttachmentRecord | null;
}

const NAMES = { sbom: 'the bill of materials', signature: 'the signature' } as const;
const CODES = { sbom: 'SBOM', signature: 'SIGN' } as const;

/** Creates the attachments once for all repositories. A failure to sign is reported in the result, not thrown. */
export async function makeAttachments(
  { attachments, index }: PublishPlan,
  identityToken: string | undefined,
): Promise<readonly ReadyAttachment[]> {
  const ready: ReadyAttachment[] = [];
  for (const plan of attachments) ready.push({ plan, made: await make(plan, index, identityToken) });
  return ready;
}

async function make(
  plan: AttachmentPlan,
  index: Descriptor,
  identityToken: string | undefined,
): Promise<ReadyAttachment['made']> {
  if (plan.kind === 'sbom') return sbomArtifact(plan.files, plan.created);
  try {
    return await signImage(index, {
      ...plan.services,
      ...(identityToken !== undefined && { identityToken }),
    });
  } catch (error) {
    if (error instanceof PrebuiltError && error.code === 'SIGN') return { refused: error.message };
    throw error;
  }
}

/** Attaches to the index in one repository. A refusal by the registry is an outcome, in the registry's own words. */
export async function attachAll(
  { index }: PublishPlan,
  target: PublishTarget,
  ready: readonly ReadyAttachment[],
): Promise<Attachments> {
  let attachments: Attachments = { sbom: null, signature: null };
  for (const { plan, made } of ready) {
    const outcome = await attachOne(index, target, plan.kind, made);
    target.progress(`${target.plan.reference}: ${describe(plan.kind, outcome)}`);
    attachments = { ...attachments, [plan.kind]: outcome };
  }
  return attachments;
}

async function attachOne(
  index: Descriptor,
  { client, noteUpload }: PublishTarget,
  kind: AttachmentPlan['kind'],
  made: ReadyAttachment['made'],
): Promise<AttachmentRecord> {
  if ('refused' in made) return { outcome: 'refused', step: 'sign', status: null, reason: made.refused };
  const outcome = await attach(client, index, made, (url) => noteUpload(kind, url));
  return outcome.outcome === 'refused' ? { ...outcome, status: outcome.status ?? null } : outcome;
}

/**
 * Throws `SBOM` or `SIGN` if a repository does not list a required attachment. Called before any tag moves.
 */
export function requireAttachments(
  plans: readonly AttachmentPlan[],
  { plan: { reference } }: PublishTarget,
  attachments: Attachments,
): void {
  for (const { kind, required } of plans) {
    const outcome = attachments[kind];
    if (!required || outcome?.outcome === 'attached') continue;
    throw new PrebuiltError(
      CODES[kind],
      `${reference}: expected ${NAMES[kind]} to be attached (--require-${kind}), found it ${outcome?.outcome ?? 'missing'}: ${outcome?.reason ?? 'it was not created'}`,
      {
        hint: `No tag was moved. Run it again, or omit --require-${kind} to move the tags anyway.`,
      },
    );
  }
}

/** One line that says what happened to an attachment. */
export function describe(kind: AttachmentPlan['kind'], outcome: AttachmentRecord): string {
  switch (outcome.outcome) {
    case 'attached':
      return `${NAMES[kind]} is attached, listed by ${outcome.listedBy === 'api' ? 'the registry' : 'a tag'}`;
    case 'unlisted':
      return `${NAMES[kind]} was uploaded as ${outcome.digest}, but is not listed: ${outcome.reason}`;
    case 'refused':
      return `${NAMES[kind]} is not attached: ${outcome.reason}`;
  }
}
