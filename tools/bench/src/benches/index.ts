import type { Bench } from '../bench.ts';
import { compile, verify } from './binaries.ts';

/** All benchmarks, in the order they run and are shown. */
export function benches(_options: { readonly peer: string | undefined }): readonly Bench[] {
  return [compile, verify];
}
