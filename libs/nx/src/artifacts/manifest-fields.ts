import * as v from 'valibot';
import { type Platform, parsePlatform } from './platform.ts';

/** The end of the year 9999, the latest time in RFC 3339. */
const MAX_TIME = 253_402_300_799;
/** 1 TiB. */
const MAX_FILE_BYTES = 1024 ** 4;

/** A single line. The text is printed and becomes labels, where a second line could forge other output. */
export const text = v.pipe(
  v.string(),
  v.minLength(1),
  v.maxLength(512),
  v.regex(/^\P{Cc}*$/u, 'expected no control characters'),
);
/** A hexadecimal SHA-256. */
export const sha256 = v.pipe(
  v.string(),
  v.regex(/^[0-9a-f]{64}$/, 'expected 64 lowercase hexadecimal digits'),
);
/** Bytes. */
export const size = v.pipe(v.number(), v.safeInteger(), v.minValue(0), v.maxValue(MAX_FILE_BYTES));
/** Seconds since 1970. */
export const time = v.pipe(v.number(), v.safeInteger(), v.minValue(0), v.maxValue(MAX_TIME));
/** A name without folders. */
export const fileName = v.pipe(
  v.string(),
  v.regex(/^[A-Za-z0-9][A-Za-z0-9._+-]{0,200}$/, 'expected a file name without folders'),
);
/** A path inside a folder. */
export const innerPath = v.pipe(
  v.string(),
  v.maxLength(1024),
  v.check(isInnerPath, 'expected a relative path with "/" that stays inside its folder'),
);
/** A platform, parsed. */
export const platform = v.pipe(
  v.string(),
  v.rawTransform(({ dataset, addIssue, NEVER }): Platform => {
    try {
      return parsePlatform(dataset.value);
    } catch {
      addIssue({ message: 'expected a platform such as linux/amd64' });
      return NEVER;
    }
  }),
);

/** A distribution package. */
export const distributionPackage = {
  name: text,
  version: text,
  architecture: text,
  distribution: v.optional(v.picklist(['debian', 'ubuntu'])),
};

/** Whether the path is relative, normalized, and stays inside its folder. */
export function isInnerPath(path: string): boolean {
  if (path === '' || path.includes('\0') || path.includes('\\')) return false;
  return path.split('/').every((part) => part !== '' && part !== '.' && part !== '..');
}
