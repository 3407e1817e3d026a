import { PrebuiltError } from '../errors.ts';
import type { Command } from './command.ts';

/** What a compiler is run with: nothing of the caller's environment reaches it but what is given. */
export interface CompilerRun {
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  /** What the run is for, as messages begin. */
  readonly label: string;
  readonly signal: AbortSignal;
}

/**
 * Runs a compiler to its end and gives its standard output. Throws `COMPILE_FAILED` with all that it said,
 * `TOOLCHAIN` where there is no such program, and the signal's reason once that is aborted.
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

/** The refusal of a build whose compiler is not on this machine. */
export function missingTool(file: string, hint = 'Install it, or put its folder into PATH.'): PrebuiltError {
  return new PrebuiltError('TOOLCHAIN', `${file}: expected a program in PATH, found none`, { hint });
}

/** The variables of this process's environment with these names. */
export function environmentOf(names: readonly string[]): Readonly<Record<string, string>> {
  return Object.fromEntries(
    names.flatMap((name) => {
      const value = process.env[name];
      return value === undefined ? [] : [[name, value]];
    }),
  );
}

/** What every compiler may know of the machine: where programs, the user's folder and temporary files are. */
export const MACHINE_VARIABLES: readonly string[] = ['PATH', 'HOME', 'TMPDIR'];

/** What a compiler that fetches modules needs beside: proxies, certificates and keys. It decides no result. */
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
