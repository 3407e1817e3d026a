import * as v from 'valibot';
import { PrebuiltError } from '../errors.ts';

/** The name of the record inside the folder that publishing writes. */
export const PUBLISH_RECORD_FILE = 'record.json';

const text = v.string();
const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const digest = v.pipe(text, v.regex(/^sha256:[0-9a-f]{64}$/, 'expected a SHA-256 digest'));
const sha256 = v.pipe(text, v.regex(/^[0-9a-f]{64}$/, 'expected 64 lower-case hexadecimal digits'));

const attachment = v.variant('outcome', [
  // How it is found: by the referrers API, or by the tag that stands in for it.
  v.strictObject({ outcome: v.literal('attached'), digest, listedBy: v.picklist(['api', 'tag']) }),
  v.strictObject({ outcome: v.literal('unlisted'), digest, reason: text }),
  v.strictObject({
    outcome: v.literal('refused'),
    step: v.picklist(['sign', 'upload', 'manifest']),
    /** The status of the registry's answer, where it answered. */
    status: v.nullable(count),
    reason: text,
  }),
]);

const image = v.strictObject({
  /** `registry/repository`, without a tag. */
  repository: text,
  /** `registry/repository@digest` of the index. */
  reference: text,
  platforms: v.array(
    v.strictObject({
      platform: text,
      digest,
      configDigest: digest,
      executableSha256: sha256,
      readBack: v.literal(true),
      /** What the proof does not cover, where something was executed; absent where every path was compared. */
      reducedProof: v.optional(
        v.strictObject({
          because: v.pipe(v.array(text), v.readonly()),
          unprovenFiles: count,
          starts: v.strictObject({ path: text, proven: v.boolean() }),
        }),
      ),
    }),
  ),
  tags: v.array(
    v.strictObject({
      tag: text,
      kind: v.picklist(['exact', 'moving']),
      outcome: v.picklist(['moved', 'kept', 'left']),
      reason: text,
    }),
  ),
  /** Null where there was none to attach, or none was wanted. */
  sbom: v.nullable(attachment),
  /** Null where none was asked for. */
  signature: v.nullable(attachment),
  bytesSent: count,
  bytesSkipped: count,
  blobsSent: count,
  blobsSkipped: count,
});

const record = v.strictObject({
  schemaVersion: v.literal(2),
  name: text,
  version: text,
  indexDigest: digest,
  manifestSha256: sha256,
  reports: v.array(v.strictObject({ platform: text, sha256 })),
  images: v.pipe(v.array(image), v.minLength(1)),
  /** Tries beyond the first, of all requests. */
  retries: count,
  startedAt: text,
  finishedAt: text,
});

/**
 * What became of an SBOM or a signature. `unlisted`: the registry holds it, and who looks for what refers to the image
 * does not find it. `refused`: it does not hold it. `reason` has the registry's or Sigstore's own words.
 */
export type AttachmentRecord = Readonly<v.InferOutput<typeof attachment>>;

/** What publishing to one repository came to. Sizes are bytes. */
export type PublishedImage = Readonly<v.InferOutput<typeof image>>;

/**
 * What was published (`dist/publish/record.json`): the index by digest in every repository, its platforms, each
 * read back from the registry, the tags that moved and those that did not with the reason, and the digests of the
 * manifest and the reports that it was made from. Times are RFC 3339.
 */
export type PublishRecord = Readonly<v.InferOutput<typeof record>>;

/** The bytes of a record: two-space JSON with a final line feed. */
export function formatPublishRecord(content: PublishRecord): string {
  return `${JSON.stringify(content, null, 2)}\n`;
}

/** Parses a record. Throws `INVALID_RECORD` that names the source and every problem. */
export function parsePublishRecord(json: string, source: string): PublishRecord {
  let data: unknown;
  try {
    data = JSON.parse(json);
  } catch (cause) {
    throw new PrebuiltError('INVALID_RECORD', `${source}: expected JSON: ${(cause as Error).message}`, {
      cause,
    });
  }
  const parsed = v.safeParse(record, data);
  if (parsed.success) return parsed.output;
  const problems = parsed.issues.map((issue) => `${v.getDotPath(issue) ?? '(root)'}: ${issue.message}`);
  throw new PrebuiltError('INVALID_RECORD', `${source}: ${problems.slice(0, 20).join('; ')}`);
}
