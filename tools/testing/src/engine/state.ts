import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import type { EmulationState } from './emulation.ts';
import { EngineError } from './errors.ts';
import type { EngineLayout } from './layout.ts';
import type { ProcessIdentity } from './processes.ts';
import type { ProgramName } from './programs.ts';

/** What `up` has started so far. Written after each step, so that `down` can also stop an unfinished `up`. */
export interface EngineState {
  readonly registryPort: number;
  readonly processes: Readonly<Partial<Record<ProgramName, ProcessIdentity>>>;
  readonly emulation: EmulationState | undefined;
}

/** In start order. */
export const PROGRAM_NAMES: readonly ProgramName[] = ['containerd', 'dockerd', 'registry'];

/** Reads the record of a started engine; undefined if there is none. Throws STATE if it can't be parsed. */
export async function readState(layout: EngineLayout): Promise<EngineState | undefined> {
  let text: string;
  try {
    text = await readFile(layout.state, 'utf8');
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return undefined;
    throw new EngineError('STATE', `${layout.state}: can't be read`, { cause });
  }
  return parseState(text, layout.state);
}

/** Parses the record. `path` is for the message of STATE. */
export function parseState(text: string, path: string): EngineState {
  try {
    const { registryPort, processes, emulation } = record(JSON.parse(text));
    const found: Partial<Record<ProgramName, ProcessIdentity>> = {};
    const started = record(processes);
    for (const name of PROGRAM_NAMES) {
      if (started[name] !== undefined) found[name] = readIdentity(record(started[name]));
    }
    if (typeof registryPort !== 'number') throw new TypeError('registryPort: expected a number');
    return {
      registryPort,
      processes: found,
      emulation: emulation === undefined ? undefined : readEmulation(record(emulation)),
    };
  } catch (cause) {
    throw new EngineError('STATE', `${path}: expected the record of a started engine, found something else`, {
      hint: 'Was it edited? Stop dockerd, containerd and docker-registry by hand, and remove the file.',
      cause,
    });
  }
}

/** Writes the record atomically, by rename. */
export async function writeState(layout: EngineLayout, state: EngineState): Promise<void> {
  const beside = `${layout.state}.new`;
  await writeFile(beside, `${JSON.stringify(state, undefined, 2)}\n`);
  await rename(beside, layout.state);
}

/** Removes the record of a stopped engine. */
export async function removeState(layout: EngineLayout): Promise<void> {
  await rm(layout.state, { force: true });
}

function record(value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new TypeError('expected an object');
  return value as Readonly<Record<string, unknown>>;
}

function readIdentity({ pid, startTime, bootId }: Readonly<Record<string, unknown>>): ProcessIdentity {
  // kill(2) takes a pid of 0 or below to mean a whole process group.
  if (!Number.isSafeInteger(pid) || typeof pid !== 'number' || pid <= 1)
    throw new TypeError('pid: expected above 1');
  if (typeof startTime !== 'string' || typeof bootId !== 'string') throw new TypeError('expected strings');
  return { pid, startTime, bootId };
}

function readEmulation({ kind, name, interpreter }: Readonly<Record<string, unknown>>): EmulationState {
  if (kind !== 'registered' && kind !== 'existing')
    throw new TypeError('kind: expected registered or existing');
  if (typeof name !== 'string' || !/^qemu-[a-z0-9_]+$/.test(name))
    throw new TypeError('name: expected an emulator');
  if (typeof interpreter !== 'string') throw new TypeError('interpreter: expected a path');
  return { kind, name, interpreter };
}
