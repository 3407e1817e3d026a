import { createRequire } from 'node:module';

const { name, version }: Readonly<Record<'name' | 'version', string>> = createRequire(import.meta.url)(
  '../package.json',
);

/**
 * The package's own name and version. Whoever publishes it under another scope changes package.json alone: executors
 * are named after it everywhere else.
 */
export const PACKAGE = { name, version } as const;
