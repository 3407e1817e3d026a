import { type ConfigSource, parseSource, readSource } from './config/load.ts';

/**
 * Checks the configuration and prints the result; unknown keys are errors here. Returns the exit code, and throws if
 * the configuration is invalid.
 */
export async function validate(source: ConfigSource): Promise<number> {
  const { config, warnings, file } = parseSource(await readSource(source), source, { strictKeys: true });
  for (const warning of warnings) process.stderr.write(`warning: ${warning}\n`);
  const count = config.mounts.length === 1 ? '1 mount' : `${config.mounts.length} mounts`;
  process.stdout.write(`${file.source}: valid, ${count}\n`);
  return 0;
}
