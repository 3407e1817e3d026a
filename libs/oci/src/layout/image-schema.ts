import * as v from 'valibot';
import { type Descriptor, type ImageIndex, type ImageManifest, MEDIA_TYPES } from '../descriptor.ts';
import { type Digest, isDigest } from '../digest.ts';
import { OciError, type OciErrorCode } from '../errors.ts';
import { parseUniqueJson } from './unique-json.ts';

const text = v.pipe(v.string(), v.maxLength(4096));
const LIMIT = 1000;
const listed = (value: unknown): boolean => !Array.isArray(value) || value.length <= LIMIT;
const named = (value: unknown): boolean => Object.keys(Object(value)).length <= LIMIT;
// Counted before looking at any element: a 4 MiB document can hold a million of them.
const listOf = <T extends v.GenericSchema>(schema: T) =>
  v.pipe(v.unknown(), v.check(listed, `expected at most ${LIMIT} elements`), v.array(schema));
const texts = v.pipe(v.unknown(), v.check(named, `expected at most ${LIMIT} members`), v.record(text, text));
const annotations = v.optional(texts);
const digest = v.pipe(
  v.string(),
  v.check(isDigest, 'expected "sha256:" and 64 lowercase hexadecimal digits'),
  v.transform((value) => value as Digest),
);
const descriptor = v.looseObject({
  mediaType: v.pipe(v.string(), v.minLength(1), v.maxLength(255)),
  digest,
  size: v.pipe(v.number(), v.safeInteger(), v.minValue(0)),
  annotations,
  platform: v.optional(v.looseObject({ architecture: text, os: text, variant: v.optional(text) })),
});
const manifestSchema = v.looseObject({
  schemaVersion: v.literal(2),
  mediaType: v.literal(MEDIA_TYPES.manifest),
  config: descriptor,
  layers: listOf(descriptor),
  annotations,
});
const indexSchema = v.looseObject({
  schemaVersion: v.literal(2),
  mediaType: v.literal(MEDIA_TYPES.index),
  manifests: listOf(descriptor),
  annotations,
});
const indexFileSchema = v.looseObject({
  ...indexSchema.entries,
  mediaType: v.optional(v.literal(MEDIA_TYPES.index)),
});
const strings = listOf(text);
const configSchema = v.looseObject({
  architecture: text,
  os: text,
  variant: v.optional(text),
  created: v.optional(text),
  config: v.optional(
    v.looseObject({
      User: v.optional(text),
      Env: v.nullish(strings),
      Entrypoint: v.nullish(strings),
      Cmd: v.nullish(strings),
      WorkingDir: v.optional(text),
      Labels: v.nullish(texts),
    }),
  ),
  rootfs: v.looseObject({ type: v.literal('layers'), diff_ids: listOf(digest) }),
});

/** The parts of an image's configuration that this project reads; unknown members are kept. */
export type ReadImageConfig = Readonly<v.InferOutput<typeof configSchema>>;

/** Parses an image manifest. Throws the given code, naming the source and each problem. */
export function parseImageManifest(
  bytes: Uint8Array,
  source: string,
  code: OciErrorCode = 'INVALID_LAYOUT',
): ImageManifest {
  return parseAs(manifestSchema, bytes, source, code);
}

/** Parses an image index. Throws the given code, naming the source and each problem. */
export function parseImageIndex(
  bytes: Uint8Array,
  source: string,
  code: OciErrorCode = 'INVALID_LAYOUT',
): ImageIndex {
  return parseAs(indexSchema, bytes, source, code);
}

/** Parses an image's configuration. Throws the given code, naming the source and each problem. */
export function parseImageConfig(
  bytes: Uint8Array,
  source: string,
  code: OciErrorCode = 'INVALID_LAYOUT',
): ReadImageConfig {
  return parseAs(configSchema, bytes, source, code);
}

/** The descriptors in an image layout's `index.json`. Throws `INVALID_LAYOUT`. */
export function parseIndexFile(bytes: Uint8Array, source: string): readonly Descriptor[] {
  return parseAs(indexFileSchema, bytes, source, 'INVALID_LAYOUT').manifests;
}

function parseAs<T extends v.GenericSchema>(
  schema: T,
  bytes: Uint8Array,
  source: string,
  code: OciErrorCode,
): v.InferOutput<T> {
  let data: unknown;
  try {
    data = parseUniqueJson(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes));
  } catch (cause) {
    throw new OciError(code, `${source}: expected JSON: ${(cause as Error).message}`, { cause });
  }
  const parsed = v.safeParse(schema, data);
  if (parsed.success) return parsed.output;
  const problems = parsed.issues.map((issue) => `${v.getDotPath(issue) ?? '(root)'}: ${issue.message}`);
  throw new OciError(code, `${source}: ${problems.slice(0, 10).join('; ')}`);
}
