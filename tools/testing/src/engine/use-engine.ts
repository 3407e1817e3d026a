import { startEngine, stopEngine } from './engine.ts';
import { type EngineEnvironment, engineEnvironment, layoutFrom } from './environment.ts';
import type { Say } from './say.ts';

/** An engine that answers. */
export interface UsedEngine {
  readonly environment: EngineEnvironment;
  /** Ends the engine if it was started for this use; leaves one that was up before as it was. */
  stop(): Promise<void>;
}

/**
 * The engine that is up, else one started for this use, which takes seconds where it is installed and minutes where
 * not. Throws EngineError where it can't be started: NOT_ROOT, and what else keeps `up` from its end.
 */
export async function useEngine(say: Say): Promise<UsedEngine> {
  const found = await engineEnvironment();
  if (found.available) return { environment: found.environment, stop: async () => undefined };
  const layout = layoutFrom(process.env);
  const options = { registryPort: undefined, withReaders: true };
  const environment = await startEngine(layout, options, process.env, say);
  return { environment, stop: () => stopEngine(layout, false, say) };
}
