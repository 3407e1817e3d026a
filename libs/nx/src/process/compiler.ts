import { PrebuiltError } from '../errors.ts';
import type { Command } from './command.ts';

/** The settings for running a compiler. It sees only the given environment, not the caller's. */
export interface CompilerRun {
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  /** A prefix for messages that says what the run is for. */
  readonly label: string;
  readonly signal: AbortSignal;
}

/**
 * Compiles: runs a compiler until it exits and returns its standard output. Throws `COMPILE_FAILED` with all its output,
 * `TOOLCHAIN` if the program doesn't exist, and the signal's reason if aborted. To ask a compiler for its version or
 * its sources, which takes no signal, use `commandOutput`.
 */
export async function runCompiler(command: Command, run: CompilerRun): Promise<string> {
  const { execa } = await import('execa');
  const result = await execa(command.file, [...command.args], {
    cwd: run.cwd,
    env: run.env,
    extendEnv: false,
    stdin: 'ignore',
    all: true,
    reject: false,
    cancelSignal: run.signal,
    gracefulCancel: false,
    maxBuffer: MAX_OUTPUT_BYTES,
  });
  run.signal.throwIfAborted();
  if (result.code === 'ENOENT') throw missingTool(command.file);
  if (result.failed) {
    throw new PrebuiltError(
      'COMPILE_FAILED',
      `${run.label}: ${result.shortMessage}\n${result.all}`.trimEnd(),
    );
  }
  return result.stdout;
}

const MAX_OUTPUT_BYTES = 64 * 1024 * 1024;

/** The error for a compiler that isn't installed. */
export function missingTool(file: string, hint = 'Install it, or add its folder to PATH.'): PrebuiltError {
  return new PrebuiltError('TOOLCHAIN', `${file}: expected a program in PATH, found none`, { hint });
}

/** The named variables from this process's environment. */
export function environmentOf(names: readonly string[]): Readonly<Record<string, string>> {
  return Object.fromEntries(
    names.flatMap((name) => {
      const value = process.env[name];
      return value === undefined ? [] : [[name, value]];
    }),
  );
}

/** What every compiler may know about the machine: where programs, the home folder and temporary files are. */
export const MACHINE_VARIABLES: readonly string[] = ['PATH', 'HOME', 'TMPDIR'];

/** What a compiler that downloads modules also needs: proxies, certificates and keys. They don't affect the output. */
export const NETWORK_VARIABLES: readonly string[] = [
  'HTTP_PROXY',
  'HTTPS_PROXY',
  'NO_PROXY',
  'http_proxy',
  'https_proxy',
  'no_proxy',
  'SSL_CERT_FILE',
  'SSL_CERT_DIR',
  'SSH_AUTH_SOCK',
];
