/**
 * Frees the memory of consumed bytes instead of leaving it to a garbage collector that waits for tens of megabytes of
 * it. A buffer is freed along with its last part: a caller that hands out the parts in order, and finishes with each
 * before the next, no longer needs any of it by then. Nobody may access those bytes afterwards.
 */
export function freeMemory({ buffer, byteOffset, byteLength }: Uint8Array): void {
  if (buffer instanceof ArrayBuffer && byteOffset + byteLength === buffer.byteLength) buffer.transfer(0);
}
