import type { ProbeCommand } from './monitor/probe-link.ts';

/**
 * The command that starts this program as a probe. A compiled executable contains its own entry point; an interpreter
 * needs its path.
 */
export function probeCommand(): ProbeCommand {
  const entry = process.argv[1] ?? '';
  const compiled = process.versions.bun !== undefined && entry.startsWith('/$bunfs/');
  return { file: process.execPath, args: compiled ? ['probe'] : [entry, 'probe'] };
}
