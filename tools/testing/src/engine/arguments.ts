import { parseArgs } from 'node:util';
import { EngineError } from './errors.ts';

/** Output format of the environment and the status. */
export type OutputFormat = 'text' | 'json' | 'env';

/** A parsed command line. */
export type EngineCommand =
  | { readonly kind: 'help' }
  | {
      readonly kind: 'up';
      readonly registryPort: number | undefined;
      readonly withReaders: boolean;
      readonly format: OutputFormat;
    }
  | { readonly kind: 'down'; readonly purge: boolean }
  | { readonly kind: 'status'; readonly format: OutputFormat };

/** The text of `--help`. */
export const HELP = `Usage: npm run engine -- up | down | status [options]

A real Docker engine (buildx, containerd image store), a registry on loopback and emulation of the other
platform, for tests, on Debian 12 or 13, as root. Its programs come from Debian packages, unpacked but
not installed. It has its own sockets, data and client configuration, and leaves the machine's engine
alone. It has no bridge network: containers run with --network=none (the default) or --network=host.

  up       starts whatever is not running, and prints the environment to use
    --registry-port=PORT   port of the registry on 127.0.0.1 (default 5055)
    --with-readers         also installs skopeo and umoci, and unpacks the sources of a second
                           registry, and kubectl if the machine has none
    --format=text|json|env output format of the environment (default text); env is for shells:
                           engine=$(npm run --silent engine -- up --format=env) && eval "$engine"
    --json                 the same as --format=json
  down     stops exactly what up started
    --purge                also removes its images, registry data and programs
  status   checks each part; exit code 0: up, 3: down, 4: broken
    --format, --json       as above

Environment: PREBUILT_ENGINE_HOME, the engine's folder (default /var/lib/prebuilt-engine).
Exit codes: 0 success, 1 failure, 2 invalid arguments.`;

/** Parses the arguments after the program's name. Throws INVALID_ARGUMENTS. */
export function parseArguments(args: readonly string[]): EngineCommand {
  const { values, positionals } = parse(args);
  if (values.help === true) return { kind: 'help' };
  const [kind, ...rest] = positionals;
  if (rest.length > 0) throw invalid(`expected one command, found ${positionals.join(' ')}`);
  const given = Object.keys(values);
  switch (kind) {
    case 'up':
      allow(kind, given, ['registry-port', 'with-readers', 'format', 'json']);
      return {
        kind,
        registryPort: readPort(values['registry-port']),
        withReaders: values['with-readers'] ?? false,
        format: readFormat(values.format, values.json),
      };
    case 'down':
      allow(kind, given, ['purge']);
      return { kind, purge: values.purge ?? false };
    case 'status':
      allow(kind, given, ['format', 'json']);
      return { kind, format: readFormat(values.format, values.json) };
    default:
      throw invalid(`expected up, down or status, found ${kind ?? 'nothing'}`);
  }
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        help: { type: 'boolean', short: 'h' },
        'registry-port': { type: 'string' },
        'with-readers': { type: 'boolean' },
        format: { type: 'string' },
        json: { type: 'boolean' },
        purge: { type: 'boolean' },
      },
    });
  } catch (cause) {
    throw invalid(cause instanceof Error ? cause.message : String(cause));
  }
}

function allow(command: string, given: readonly string[], allowed: readonly string[]): void {
  const wrong = given.filter((name) => !allowed.includes(name));
  if (wrong.length > 0) throw invalid(`${command} has no option --${wrong.join(', --')}`);
}

function readPort(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const port = /^[0-9]{1,5}$/.test(text) ? Number(text) : 0;
  if (port < 1 || port > 65_535) throw invalid(`--registry-port: expected 1 to 65535, found ${text}`);
  return port;
}

function readFormat(format: string | undefined, json: boolean | undefined): OutputFormat {
  if (json === true && (format ?? 'json') !== 'json')
    throw invalid(`--json and --format=${format} are mutually exclusive`);
  const wanted = json === true ? 'json' : (format ?? 'text');
  if (wanted !== 'text' && wanted !== 'json' && wanted !== 'env') {
    throw invalid(`--format: expected text, json or env, found ${wanted}`);
  }
  return wanted;
}

function invalid(message: string): EngineError {
  return new EngineError('INVALID_ARGUMENTS', message, { hint: 'See npm run engine -- --help' });
}
