import { PrebuiltError } from '../errors.ts';
import { bun } from './bun.ts';
import type { Toolchain } from './toolchain.ts';

const TOOLCHAINS: readonly Toolchain[] = [bun];

/** The toolchain of that name. Throws `INVALID_OPTIONS` with the names there are. */
export function findToolchain(name: string): Toolchain {
  const found = TOOLCHAINS.find((toolchain) => toolchain.name === name);
  if (found !== undefined) return found;
  throw new PrebuiltError(
    'INVALID_OPTIONS',
    `toolchain: expected one of ${TOOLCHAINS.map((toolchain) => toolchain.name).join(', ')}, found ${JSON.stringify(name)}`,
  );
}
