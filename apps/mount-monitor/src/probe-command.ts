import type { ProbeCommand } from './monitor/probe-link.ts';

/**
 * How this program starts itself as a probe. A compiled executable holds its own entry; an interpreter has to
 * be told it.
 */
export function probeCommand(): ProbeCommand {
  const entry = process.argv[1] ?? '';
  const compiled = process.versions.bun !== undefined && entry.startsWith('/$bunfs/');
  return { file: process.execPath, args: compiled ? ['probe'] : [entry, 'probe'] };
}
