/**
 * The results of all work, in order. Waits for every piece even where one fails, so that nothing is still under way
 * while its folder is removed; then throws the first failure.
 */
export async function settleAll<T extends readonly Promise<unknown>[] | []>(
  work: T,
): Promise<{ -readonly [K in keyof T]: Awaited<T[K]> }> {
  const settled: readonly PromiseSettledResult<unknown>[] = await Promise.allSettled(work);
  const failed = settled.find((result) => result.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
  // All are fulfilled: what follows only takes the values out.
  return Promise.all(work);
}
