import { resolve } from 'node:path';
import { distantMount } from '../probe/mount-table.ts';
import { type ParsedConfig, type ParseOptions, parseConfig } from './config.ts';
import { ConfigError } from './errors.ts';
import { type ConfigText, readConfigFile } from './file.ts';

/** The default configuration file. */
export const defaultConfigPath = './config.json';

/** The configuration's source: a file, and the command line's overrides. */
export interface ConfigSource {
  readonly configPath: string | undefined;
  readonly httpPort: number | undefined;
  readonly logLevel: string | undefined;
  readonly logFormat: string | undefined;
}

/** A configuration and the file it came from. */
export interface LoadedConfig extends ParsedConfig {
  readonly file: ConfigText;
}

/** Reads the source's file. Throws {@link ConfigError} if it does not exist or cannot be read. */
export async function readSource(source: ConfigSource): Promise<ConfigText> {
  const { configPath } = source;
  const file = await readFile(configPath ?? defaultConfigPath, configPath === undefined);
  if (file !== undefined) return file;
  throw new ConfigError(
    'unreadable',
    `no mounts to watch: ${defaultConfigPath} does not exist; write one, or name another with --config PATH`,
  );
}

/** Reads in another process if the file system may never answer. */
async function readFile(name: string, optional: boolean): Promise<ConfigText | undefined> {
  const path = resolve(name);
  const mount = distantMount(path);
  if (mount === undefined) return readConfigFile(path, name, optional);
  const { readElsewhere } = await import('./file-reader.ts');
  return readElsewhere(path, name, optional, mount.mountPoint);
}

/** Parses a file and applies the command line's overrides; throws like {@link parseConfig}. */
export function parseSource(
  file: ConfigText,
  source: ConfigSource,
  mode: Pick<ParseOptions, 'strictKeys' | 'onePass'> = {},
): LoadedConfig {
  const { httpPort, logLevel, logFormat } = source;
  const { config, warnings } = parseConfig(file.text, file.source, {
    overrides: { httpPort, logLevel, logFormat },
    workingDirectory: process.cwd(),
    ...mode,
  });
  return { config, warnings: [...file.warnings, ...warnings], file };
}

/** Reads and parses. */
export async function loadConfig(source: ConfigSource, onePass = false): Promise<LoadedConfig> {
  return parseSource(await readSource(source), source, { onePass });
}
