import * as v from 'valibot';
import { PrebuiltError } from '../errors.ts';

/** The name of the record in publishing's output folder. */
export const PUBLISH_RECORD_FILE = 'record.json';

const text = v.string();
const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const digest = v.pipe(text, v.regex(/^sha256:[0-9a-f]{64}$/, 'expected a SHA-256 digest'));
const sha256 = v.pipe(text, v.regex(/^[0-9a-f]{64}$/, 'expected 64 lowercase hexadecimal digits'));

const attachment = v.variant('outcome', [
  // How clients find it: by the referrers API, or by the fallback tag.
  v.strictObject({ outcome: v.literal('attached'), digest, listedBy: v.picklist(['api', 'tag']) }),
  v.strictObject({ outcome: v.literal('unlisted'), digest, reason: text }),
  v.strictObject({
    outcome: v.literal('refused'),
    step: v.picklist(['sign', 'upload', 'manifest']),
    /** The HTTP status of the registry's response; null if there was none. */
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
      /** What the proof doesn't cover if the Dockerfile executed something; absent if every path was compared. */
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
  /** Null if there was none to attach, or none was requested. */
  sbom: v.nullable(attachment),
  /** Null if none was requested. */
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
  /** The number of retries, over all requests. */
  retries: count,
  startedAt: text,
  finishedAt: text,
});

/**
 * The outcome of attaching an SBOM or a signature. `unlisted`: the registry stores it, but doesn't list it among the
 * image's referrers. `refused`: the registry doesn't store it. `reason` quotes the registry or Sigstore.
 */
export type AttachmentRecord = Readonly<v.InferOutput<typeof attachment>>;

/** The outcome of publishing to one repository. Sizes are in bytes. */
export type PublishedImage = Readonly<v.InferOutput<typeof image>>;

/**
 * A record of what was published (`dist/publish/record.json`): the index by digest in every repository; its platforms,
 * each read back from the registry; the tags that moved, and those that didn't, with the reason; and the digests of the
 * manifest and reports behind it. Times are in RFC 3339.
 */
export type PublishRecord = Readonly<v.InferOutput<typeof record>>;

/** The text of a record: two-space JSON with a final line feed. */
export function formatPublishRecord(content: PublishRecord): string {
  return `${JSON.stringify(content, null, 2)}\n`;
}

/** Parses a record. Throws `INVALID_RECORD` with the source and every problem. */
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
