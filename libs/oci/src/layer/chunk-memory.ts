/**
 * Frees the memory of bytes that have been consumed, instead of leaving it to a collector that waits for tens of
 * megabytes of it. A buffer is given back with its last part: whoever hands out its parts in order, and is done with each
 * one before the next, has nothing left in it then. Nobody may look at those bytes any more.
 */
export function freeMemory({ buffer, byteOffset, byteLength }: Uint8Array): void {
  if (buffer instanceof ArrayBuffer && byteOffset + byteLength === buffer.byteLength) buffer.transfer(0);
}
