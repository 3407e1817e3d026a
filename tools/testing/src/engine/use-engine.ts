import { startEngine, stopEngine } from './engine.ts';
import { type EngineEnvironment, engineEnvironment, layoutFrom } from './environment.ts';
import type { Say } from './say.ts';

/** A working engine. */
export interface UsedEngine {
  readonly environment: EngineEnvironment;
  /** Stops the engine if it was started for this use; leaves one that was already up alone. */
  stop(): Promise<void>;
}

/**
 * The engine that is up, or one started for this use, which takes seconds if its programs are already unpacked and
 * minutes otherwise. Throws EngineError if it can't be started: NOT_ROOT, or any other failure of `up`.
 */
export async function useEngine(say: Say): Promise<UsedEngine> {
  const found = await engineEnvironment();
  if (found.available) return { environment: found.environment, stop: async () => undefined };
  const layout = layoutFrom(process.env);
  const options = { registryPort: undefined, withReaders: true };
  const environment = await startEngine(layout, options, process.env, say);
  return { environment, stop: () => stopEngine(layout, false, say) };
}
