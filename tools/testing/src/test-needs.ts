import type { EngineAvailability, EngineEnvironment } from './engine/environment.ts';
import { EngineError } from './engine/errors.ts';

/** The `skip` of a vitest test context: ends the test and reports the note as the reason. */
export type SkipTest = (note: string) => never;

/**
 * For a `beforeEach(({ skip }) => …)` or the first line of a test: returns the environment of the engine that
 * `engineEnvironment` found. If it found none, the test is skipped with the reason; with `CI` set, it fails with
 * UNAVAILABLE instead.
 */
export function requireEngine(
  engine: EngineAvailability,
  skip: SkipTest,
  env: NodeJS.ProcessEnv = process.env,
): EngineEnvironment {
  return engine.available ? engine.environment : skipOutsideCi(engine.reason, skip, env);
}

/** Skips a test whose requirements are missing, with the reason; with `CI` set, it fails with UNAVAILABLE instead. */
export function skipOutsideCi(reason: string, skip: SkipTest, env: NodeJS.ProcessEnv = process.env): never {
  if (env.CI === undefined || env.CI === '' || env.CI === 'false') return skip(reason);
  throw new EngineError('UNAVAILABLE', `in CI this test must run, but ${reason}`);
}
