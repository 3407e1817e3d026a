import { LineWriter } from './line-writer.ts';
import { unblockedOutput } from './output.ts';

/** Severities, lowest first. */
export const logLevels = ['debug', 'info', 'warn', 'error'] as const;
/** One JSON object per line, or logfmt. */
export const logFormats = ['json', 'text'] as const;

export type LogLevel = (typeof logLevels)[number];
export type LogFormat = (typeof logFormats)[number];

/**
 * The fields of a log line, named in snake_case. Undefined values are omitted, and errors are replaced by their
 * message.
 */
export type LogFields = Readonly<Record<string, unknown>>;

/** Writes each line in one piece. Lines below the level are not formatted at all. */
export interface Logger {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
}

/** A logger whose level and format can change on reload. */
export interface AdjustableLogger extends Logger {
  adjust(level: LogLevel, format: LogFormat): void;
  /** How many lines could not be written so far because nobody read them or the disk was full. */
  readonly lostLines: number;
}

/** Receives formatted lines: 1 is stdout, 2 is stderr. */
export type LineSink = (fileDescriptor: 1 | 2, line: string) => void;

/** How long lines waiting for a reader may delay the exit, in ms. */
const exitMs = 500;

/**
 * Creates the logger. Debug and info lines go to stdout, warn and error lines to stderr, each with `time` (RFC 3339,
 * UTC), `level` and `msg` before its own fields.
 */
export function createLogger(
  level: LogLevel,
  format: LogFormat,
  sink?: LineSink,
  now: () => Date = () => new Date(),
): AdjustableLogger {
  let threshold = logLevels.indexOf(level);
  let formatLine = format === 'json' ? jsonLine : logfmtLine;
  const write = (severity: LogLevel, message: string, fields: LogFields = {}): void => {
    const rank = logLevels.indexOf(severity);
    if (rank < threshold) return;
    put(rank >= 2 ? 2 : 1, formatLine(now(), severity, message, fields));
  };
  const lostLine = (count: number): string =>
    formatLine(now(), 'warn', 'log lines were lost because they could not be written in time', { count });
  const streams = sink === undefined ? standardStreams(lostLine) : undefined;
  const put = sink ?? streams?.put ?? (() => undefined);
  return {
    get lostLines() {
      return streams?.lost() ?? 0;
    },
    debug: (message, fields) => write('debug', message, fields),
    info: (message, fields) => write('info', message, fields),
    warn: (message, fields) => write('warn', message, fields),
    error: (message, fields) => write('error', message, fields),
    adjust(newLevel, newFormat) {
      threshold = logLevels.indexOf(newLevel);
      formatLine = newFormat === 'json' ? jsonLine : logfmtLine;
    },
  };
}

/** Writes to the process's own streams; at exit, lines waiting for a slow reader get one last chance. */
function standardStreams(lostLine: (count: number) => string) {
  const writers = {
    1: new LineWriter(unblockedOutput(1), lostLine),
    2: new LineWriter(unblockedOutput(2), lostLine),
  };
  process.on('exit', () => {
    const deadline = performance.now() + exitMs;
    writers[1].finish(deadline);
    writers[2].finish(deadline);
  });
  const put: LineSink = (fileDescriptor, line) => writers[fileDescriptor].write(line);
  return { put, lost: () => writers[1].lost + writers[2].lost };
}

function jsonLine(time: Date, level: LogLevel, msg: string, fields: LogFields): string {
  return `${JSON.stringify({ time: time.toISOString(), level, msg, ...fields }, (_, value: unknown) =>
    value instanceof Error ? value.message : value,
  )}\n`;
}

/** https://pkg.go.dev/github.com/kr/logfmt: `key=value` pairs, with values quoted only where necessary. */
function logfmtLine(time: Date, level: LogLevel, msg: string, fields: LogFields): string {
  const pairs = [`time=${time.toISOString()}`, `level=${level}`, `msg=${logfmtValue(msg)}`];
  for (const [key, value] of Object.entries(fields)) {
    if (value !== undefined) pairs.push(`${key}=${logfmtValue(value)}`);
  }
  return `${pairs.join(' ')}\n`;
}

function logfmtValue(value: unknown): string {
  const text =
    value instanceof Error
      ? value.message
      : typeof value === 'object' && value !== null
        ? JSON.stringify(value)
        : String(value);
  return /^[^\s"=\\\p{Cc}]+$/u.test(text) ? text : JSON.stringify(text);
}
