import { parseArgs } from 'node:util';
import { ConfigError } from './config/errors.ts';
import { version } from './version.ts';

/** What the command line asks for. */
export type Command =
  | { readonly kind: 'help' }
  | { readonly kind: 'version' }
  | { readonly kind: 'monitor' | 'init' | 'validate'; readonly options: CommandOptions }
  | { readonly kind: 'check'; readonly options: CommandOptions; readonly asJson: boolean };

export interface CommandOptions {
  /** Undefined: `./config.json` if there is one. */
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

/** The text of `--help`; its first line names the program and its version. */
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
 * Reads the command line. As Go's flag package does, it also takes long flags with one dash (`-config`),
 * and `=true` or `=false` behind a switch. Throws {@link ConfigError} with code `usage`.
 */
export function parseArguments(args: readonly string[]): Command {
  const values = parseFlags(joinValues(args).flatMap(fromGoStyle));
  if (values.help === true) return { kind: 'help' };
  if (values.version === true) return { kind: 'version' };
  const options = {
    // Empty values are what templates produce; they mean the default.
    configPath: values.config || undefined,
    httpPort: parsePort(values['http-port']),
    logLevel: values['log-level'] || undefined,
    logFormat: values['log-format'] || undefined,
  };
  if (values.validate === true) return { kind: 'validate', options };
  if (values.check === true) return { kind: 'check', options, asJson: values.json === true };
  if (values.json === true) throw new ConfigError('usage', '--json: only together with --check');
  return { kind: values['init-container-mode'] === true ? 'init' : 'monitor', options };
}

/** A flag takes the next argument as its value whatever that looks like, so that `--http-port -1` is one. */
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
    // As the Go program does: arguments that are not flags are ignored.
    return parseArgs({ args, options: flags, strict: true, allowPositionals: true }).values;
  } catch (cause) {
    // What Node adds after its first sentence is about positional arguments, which there are none of.
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

/** Reads a whole number as https://pkg.go.dev/strconv#ParseInt does with base 0: also hexadecimal, octal, binary. */
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
