import fc from 'fast-check';

/** Changes some bytes: overwrites, removes, inserts, or repeats them. */
export function mutationsOf(original: Buffer): fc.Arbitrary<Buffer> {
  const at = fc.nat(original.length - 1);
  const change = fc.oneof(
    fc.record({ at, taken: fc.nat(3), put: fc.uint8Array({ minLength: 1, maxLength: 4 }) }),
    fc.record({ at, taken: fc.nat(2000), put: fc.constant(new Uint8Array()) }),
    fc.record({ at, taken: fc.constant(0), put: fc.nat(600).map((size) => original.subarray(0, size)) }),
  );
  return fc.array(change, { minLength: 1, maxLength: 3 }).map((changes) =>
    changes.reduce((bytes, { at, taken, put }) => {
      const from = Math.min(at, bytes.length);
      return Buffer.concat([bytes.subarray(0, from), put, bytes.subarray(from + taken)]);
    }, original),
  );
}

/** A tar with its headers' checksums corrected, so that the mutation reaches the code behind the checksum test. */
export function withChecksums(tar: Buffer): Buffer {
  const fixed = Buffer.from(tar);
  for (let offset = 0; offset + 512 <= fixed.length; offset += 512) {
    const block = fixed.subarray(offset, offset + 512);
    if (block.toString('latin1', 257, 262) !== 'ustar') continue;
    block.fill(' ', 148, 156);
    const sum = block.reduce((total, byte) => total + byte, 0);
    block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'ascii');
  }
  return fixed;
}
