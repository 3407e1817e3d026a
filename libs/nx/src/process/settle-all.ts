/**
 * The results of all promises, in order. Waits for every promise even if one fails, so that nothing is still running
 * when its folder is removed; then throws the first failure.
 */
export async function settleAll<T extends readonly Promise<unknown>[] | []>(
  work: T,
): Promise<{ -readonly [K in keyof T]: Awaited<T[K]> }> {
  const settled: readonly PromiseSettledResult<unknown>[] = await Promise.allSettled(work);
  const failed = settled.find((result) => result.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
  // All are fulfilled, so this only extracts the values.
  return Promise.all(work);
}
