import fc from 'fast-check';
import { ElfError } from '../src/errors.ts';
import { type ByteSource, bytesSource } from '../src/source.ts';

/** The maximums and counts over all changed files. */
export interface Bounds {
  /** CPU time of the slowest reading in milliseconds, so that other work on the machine doesn't count. */
  slowest: number;
  /** The most bytes that one reading requested. */
  asked: number;
  /** How many readings returned facts, and how many an error. */
  answers: number;
  errors: number;
}

/**
 * Changes a file in `runs` ways, by overwriting one or more fields, mostly at bytes that aren't zero, or truncating it,
 * and reads it with each reader. Throws if a reader ends in anything but a value or an `ElfError`.
 */
export async function readMutations(
  file: Uint8Array,
  readers: readonly ((source: ByteSource) => Promise<unknown>)[],
  runs: number,
): Promise<Bounds> {
  const bounds = { slowest: 0, asked: 0, answers: 0, errors: 0 };
  // One copy for all: the measurement is of what the readers keep.
  const copy = Buffer.from(file);
  await fc.assert(
    fc.asyncProperty(mutationsOf(file), async (mutation) => {
      for (const { at, field } of mutation.changes) field.copy(copy, at);
      const changed = mutation.cut === null ? copy : copy.subarray(0, mutation.cut);
      try {
        for (const read of readers) {
          const started = process.cpuUsage();
          const source = countedSource(changed);
          try {
            await read(source);
            bounds.answers += 1;
          } catch (error) {
            if (!(error instanceof ElfError)) throw error;
            bounds.errors += 1;
          }
          const { user, system } = process.cpuUsage(started);
          bounds.slowest = Math.max(bounds.slowest, (user + system) / 1000);
          bounds.asked = Math.max(bounds.asked, source.asked);
        }
      } finally {
        for (const { at, field } of mutation.changes) copy.set(file.subarray(at, at + field.length), at);
      }
    }),
    { numRuns: runs },
  );
  return bounds;
}

interface Mutation {
  /** What is written where, in order. */
  readonly changes: readonly { readonly at: number; readonly field: Buffer }[];
  /** Where the file is truncated; null if it is not. */
  readonly cut: number | null;
}

function mutationsOf(file: Uint8Array): fc.Arbitrary<Mutation> {
  const places: number[] = [];
  for (let at = 0; at < file.length; at += 1) if (file[at] !== 0) places.push(at);
  const change = fc
    .record({
      at: fc.oneof(fc.constantFrom(...places), fc.nat({ max: Math.min(255, file.length - 1) })),
      bytes: fc.constantFrom(1, 2, 4, 8),
      big: fc.boolean(),
      value: fc.oneof(
        fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
        fc.bigInt({ min: 0n, max: BigInt(2 * file.length) }),
        fc.constantFrom(0n, 1n, 2n ** 31n, 2n ** 32n - 1n, 2n ** 63n, 2n ** 64n - 1n),
      ),
    })
    .map(({ at, bytes, big, value }) => {
      const field = Buffer.alloc(8);
      if (big) field.writeBigUInt64BE((value << BigInt(64 - 8 * bytes)) & (2n ** 64n - 1n));
      else field.writeBigUInt64LE(value);
      return { at, field: field.subarray(0, bytes) };
    });
  return fc.record({
    changes: fc.array(change, { minLength: 1, maxLength: 4 }),
    cut: fc.option(fc.nat({ max: file.length }), { freq: 5 }),
  });
}

function countedSource(bytes: Uint8Array): ByteSource & { asked: number } {
  const source = bytesSource(bytes, 'file');
  const counted = {
    ...source,
    asked: 0,
    read(offset: number, length: number) {
      counted.asked += length;
      return source.read(offset, length);
    },
  };
  return counted;
}
