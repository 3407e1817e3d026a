import { homedir } from 'node:os';
import { join } from 'node:path';
import { PrebuiltError } from '../../errors.ts';
import { commandOutput } from '../../process/command-output.ts';
import { environmentOf, MACHINE_VARIABLES, missingTool, NETWORK_VARIABLES } from '../../process/compiler.ts';

/** The Rust installation used in a folder (with rustup, rust-toolchain.toml chooses it). */
export interface RustFacts {
  /** `1.95.0`. */
  readonly version: string;
  /** The complete version output of rustc and cargo. */
  readonly verbose: string;
  /** This machine's target. */
  readonly host: string;
  readonly commit: string;
  /** The folder with the standard libraries in `lib/rustlib`. */
  readonly sysroot: string;
  /** The folder with the fetched crates. */
  readonly cargoHome: string;
  /** The environment for cargo: includes the user's download settings, but nothing that affects the output. */
  readonly environment: Readonly<Record<string, string>>;
}

/** The first cargo version that builds several targets at once. */
const MIN_MINOR = 64;

// Where crates come from, and with which credentials. Doesn't affect the output: Cargo.lock pins crates by hash.
const FETCHING = /^CARGO_(NET|HTTP|REGISTRY|REGISTRIES)_|^SSH_AGENT_PID$/;

/** Reads the facts about the Rust used in a folder. Throws `TOOLCHAIN` if cargo or rustc is missing or too old. */
export async function readRustFacts(folder: string): Promise<RustFacts> {
  const fetching = Object.keys(process.env).filter((name) => FETCHING.test(name));
  const environment = {
    ...environmentOf([...MACHINE_VARIABLES, ...NETWORK_VARIABLES, 'CARGO_HOME', 'RUSTUP_HOME', ...fetching]),
    CARGO_INCREMENTAL: '0',
    CARGO_TERM_COLOR: 'never',
  };
  const ask = async (file: string, args: readonly string[]): Promise<string> => {
    const answer = await commandOutput(file, args, { cwd: folder, env: environment });
    if (answer.missing) throw missingTool(file, 'Install Rust: https://rust-lang.org/tools/install');
    if (answer.ok) return answer.text.trim();
    throw new PrebuiltError('TOOLCHAIN', `${file} ${args.join(' ')}: ${answer.text}`, {
      hint: `Run it yourself until it works: cd ${folder} && ${file} ${args.join(' ')}`,
    });
  };
  const [verbose, sysroot, cargo] = await Promise.all([
    ask('rustc', ['--version', '--verbose']),
    ask('rustc', ['--print', 'sysroot']),
    ask('cargo', ['--version']),
  ]);
  const told = (key: string): string => new RegExp(`^${key}: (.*)$`, 'm').exec(verbose)?.[1] ?? '';
  const [, minor] = /^cargo 1\.(\d+)/.exec(cargo) ?? [];
  if (minor === undefined || Number(minor) < MIN_MINOR) {
    throw new PrebuiltError('TOOLCHAIN', `cargo: expected 1.${MIN_MINOR} or newer, found ${cargo}`, {
      hint: 'Install a newer Rust: rustup update stable',
    });
  }
  return {
    version: told('release'),
    verbose: `${verbose}\n${cargo}`,
    host: told('host'),
    commit: told('commit-hash'),
    sysroot,
    cargoHome: process.env.CARGO_HOME ?? join(homedir(), '.cargo'),
    environment,
  };
}
