import { parseArgs } from 'node:util';
import { ConfigError } from './config/errors.ts';
import { version } from './version.ts';

/** The parsed command line. */
export type Command =
  | { readonly kind: 'help' }
  | { readonly kind: 'version' }
  | { readonly kind: 'monitor' | 'init' | 'validate'; readonly options: CommandOptions }
  | { readonly kind: 'check'; readonly options: CommandOptions; readonly asJson: boolean };

export interface CommandOptions {
  /** Undefined means `./config.json`, if it exists. */
  readonly configPath: string | undefined;
  readonly httpPort: number | undefined;
  readonly logLevel: string | undefined;
  readonly logFormat: string | undefined;
}

const flags = {
  config: { type: 'string', short: 'c' },
  'http-port': { type: 'string' },
  'log-level': { type: 'string' },
  'log-format': { type: 'string' },
  'init-container-mode': { type: 'boolean' },
  validate: { type: 'boolean' },
  check: { type: 'boolean' },
  json: { type: 'boolean' },
  version: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
} as const;

/** The text of `--help`. Its first line names the program and its version. */
export const usage = `mount-monitor ${version}

Watches network mounts and reports their health over HTTP.

usage: mount-monitor [flags]

  -c, --config PATH         configuration file (default: ./config.json if it exists)
      --http-port PORT      port of the HTTP endpoints; overrides the file's httpPort
      --log-level LEVEL     debug, info, warn or error; overrides the file's logLevel
      --log-format FORMAT   json or text; overrides the file's logFormat
      --init-container-mode check every mount once; exit 0 if all passed, else 1
      --check               check every mount once and print a table; exit 0 if all passed, else 1
      --json                with --check: print one JSON object
      --validate            check the configuration and exit: 0 if it is valid, else 1
      --version             print the version and exit
  -h, --help                print this text and exit
`;

/**
 * Parses the command line. Like Go's flag package, it also accepts long flags with a single dash (`-config`) and
 * `=true` or `=false` after a switch. Throws {@link ConfigError} with code `usage`.
 */
export function parseArguments(args: readonly string[]): Command {
  const values = parseFlags(joinValues(args).flatMap(fromGoStyle));
  if (values.help === true) return { kind: 'help' };
  if (values.version === true) return { kind: 'version' };
  const options = {
    // Templates produce empty values; they mean the default.
    configPath: values.config || undefined,
    httpPort: parsePort(values['http-port']),
    logLevel: values['log-level'] || undefined,
    logFormat: values['log-format'] || undefined,
  };
  if (values.validate === true) return { kind: 'validate', options };
  if (values.check === true) return { kind: 'check', options, asJson: values.json === true };
  if (values.json === true) throw new ConfigError('usage', '--json is only allowed with --check');
  return { kind: values['init-container-mode'] === true ? 'init' : 'monitor', options };
}

/** A flag always takes the next argument as its value, even one that looks like a flag: `--http-port -1`. */
function joinValues(args: readonly string[]): readonly string[] {
  const joined: string[] = [];
  for (let index = 0; index < args.length; index += 1) {
    const arg = args[index] ?? '';
    const given = /^--?([A-Za-z][\w-]*)$/.exec(arg)?.[1] ?? '';
    const name = given === 'c' ? 'config' : given;
    const value = args[index + 1];
    const takesValue = Object.hasOwn(flags, name) && flags[name as keyof typeof flags].type === 'string';
    if (arg === '--') return [...joined, ...args.slice(index)];
    if (takesValue && value !== undefined) index += 1;
    joined.push(takesValue && value !== undefined ? `--${name}=${value}` : arg);
  }
  return joined;
}

function parseFlags(args: string[]) {
  try {
    // Like the Go program, this ignores arguments that are not flags.
    return parseArgs({ args, options: flags, strict: true, allowPositionals: true }).values;
  } catch (cause) {
    // After its first sentence, Node goes on about positional arguments, which do not exist here.
    const [detail] = (cause instanceof Error ? cause.message : String(cause)).split('. ');
    throw new ConfigError('usage', `${detail} (mount-monitor --help lists the flags)`, [], cause);
  }
}

function parsePort(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const value = parseInteger(text);
  if (value === undefined) {
    throw new ConfigError('usage', `--http-port: expected a whole number, found ${JSON.stringify(text)}`);
  }
  return value > 0 ? value : undefined;
}

const radixes: Readonly<Record<string, number>> = { x: 16, o: 8, b: 2 };

/** Parses a whole number like https://pkg.go.dev/strconv#ParseInt with base 0: also hexadecimal, octal and binary. */
function parseInteger(text: string): number | undefined {
  const match = /^([+-]?)(?:0([xob]?))?([0-9a-f]*)$/i.exec(text);
  if (match === null || !/\d/.test(text)) return undefined;
  const [, sign, prefix, digits = ''] = match;
  const radix = prefix === undefined ? 10 : (radixes[prefix.toLowerCase()] ?? 8);
  if (digits === '') return prefix === '' ? 0 : undefined;
  const allowed = '0123456789abcdef'.slice(0, radix);
  if (digits.length > 15 || [...digits.toLowerCase()].some((digit) => !allowed.includes(digit)))
    return undefined;
  const value = Number.parseInt(digits, radix);
  return sign === '-' ? -value : value;
}

const switchValues: Readonly<Record<string, boolean>> = {
  '1': true,
  t: true,
  true: true,
  '0': false,
  f: false,
  false: false,
};

function fromGoStyle(arg: string): readonly string[] {
  const match = /^--?([A-Za-z][\w-]*)(?:=(.*))?$/s.exec(arg);
  const given = match?.[1] ?? '';
  const name = given === 'c' ? 'config' : given === 'h' ? 'help' : given;
  if (!Object.hasOwn(flags, name)) return [arg];
  const value = match?.[2];
  if (value === undefined) return [`--${name}`];
  if (flags[name as keyof typeof flags].type === 'string') return [`--${name}=${value}`];
  const on = switchValues[value.toLowerCase()];
  if (on === undefined) {
    throw new ConfigError('usage', `--${name}: expected true or false, found ${JSON.stringify(value)}`);
  }
  return on ? [`--${name}`] : [];
}
