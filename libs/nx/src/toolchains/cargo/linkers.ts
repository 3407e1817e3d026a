import { delimiter, join } from 'node:path';
import { commandOutput } from '../../process/command-output.ts';
import { missingTool } from '../../process/compiler.ts';
import type { RustFacts } from './environment.ts';
import type { RustTarget } from './targets.ts';

/**
 * The linkers for the targets, each with the version it reports: a linker's startup files and libraries become part of
 * executables. Throws `TOOLCHAIN` if cargo-zigbuild is requested but missing.
 */
export async function linkerFacts(
  rust: RustFacts,
  targets: readonly RustTarget[],
  zigbuild: boolean,
): Promise<readonly string[]> {
  if (zigbuild) return zigFacts(rust);
  const linkers = [...new Set(targets.map(({ linker }) => linker ?? 'cc'))];
  return Promise.all(linkers.map((linker) => versionOf(rust, linker, '--version')));
}

async function zigFacts(rust: RustFacts): Promise<readonly string[]> {
  // The folders that cargo searches for subcommands. https://doc.rust-lang.org/cargo/reference/external-tools.html
  const PATH = [rust.environment.PATH ?? '', join(rust.cargoHome, 'bin')].join(delimiter);
  const env = { ...rust.environment, PATH };
  const zigbuild = await commandOutput('cargo-zigbuild', ['--version'], { env });
  if (zigbuild.missing) {
    throw missingTool(
      'cargo-zigbuild',
      'Install it: cargo install --locked cargo-zigbuild. It also needs Zig.',
    );
  }
  return [firstLine(zigbuild.text), await versionOf(rust, 'zig', 'version')];
}

// A missing linker may not be needed: cargo's configuration may specify another.
async function versionOf({ environment }: RustFacts, file: string, argument: string): Promise<string> {
  const answer = await commandOutput(file, [argument], { env: environment });
  return `${file} ${answer.ok ? firstLine(answer.text) : 'unknown'}`;
}

function firstLine(text: string): string {
  return text.split('\n', 1)[0]?.trim() ?? '';
}
