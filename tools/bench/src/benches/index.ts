import type { Bench } from '../bench.ts';
import { compile, verify } from './binaries.ts';
import { imageFloor, images } from './images.ts';
import { sidecarEndpoints, sidecarMounts, sidecarStart } from './sidecar.ts';

/** All benchmarks, in the order they run and are shown. */
export const benches: readonly Bench[] = [
  ...images,
  imageFloor,
  compile,
  verify,
  sidecarStart,
  sidecarMounts,
  sidecarEndpoints,
];
