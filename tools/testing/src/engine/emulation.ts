import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { EngineError } from './errors.ts';

/** A processor that the kernel emulates through binfmt_misc. */
export interface Emulation {
  /** The entry's name in /proc/sys/fs/binfmt_misc. */
  readonly name: string;
  /** The platform's architecture, as Docker names it. */
  readonly architecture: 'amd64' | 'arm64' | 'arm';
  readonly bits: 32 | 64;
  /** The emulator's file name in the Debian package. */
  readonly emulator: string;
  /** e_machine, little endian, as escaped bytes. */
  readonly machine: string;
}

/** The emulation that `up` set up or found: `down` removes `registered` entries and leaves others. */
export type EmulationState =
  | { readonly kind: 'registered'; readonly name: string; readonly interpreter: string }
  | { readonly kind: 'existing'; readonly name: string; readonly interpreter: string };

const BINFMT = '/proc/sys/fs/binfmt_misc';
const ARM64: Emulation = {
  name: 'qemu-aarch64',
  architecture: 'arm64',
  bits: 64,
  emulator: 'qemu-aarch64-static',
  machine: String.raw`\xb7\x00`,
};
const AMD64: Emulation = {
  name: 'qemu-x86_64',
  architecture: 'amd64',
  bits: 64,
  emulator: 'qemu-x86_64-static',
  machine: String.raw`\x3e\x00`,
};

const ARM: Emulation = {
  name: 'qemu-arm',
  architecture: 'arm',
  bits: 32,
  emulator: 'qemu-arm-static',
  machine: String.raw`\x28\x00`,
};

/** The platform that a machine of this Node architecture can't run itself. */
export function foreignEmulation(nodeArchitecture: string): Emulation {
  if (nodeArchitecture === 'x64') return ARM64;
  if (nodeArchitecture === 'arm64') return AMD64;
  throw new EngineError('EMULATION', `processor: expected x64 or arm64, found ${nodeArchitecture}`);
}

/**
 * The line that registers an emulator for little-endian ELF executables with any OS ABI and with this class and
 * machine. Flags: O (the file is passed open), C (its credentials count), F (the emulator is opened now, so it need not
 * exist inside containers).
 *
 * @see https://docs.kernel.org/admin-guide/binfmt-misc.html
 */
export function registration(emulation: Emulation, interpreter: string): string {
  const elfClass = emulation.bits === 64 ? String.raw`\x02` : String.raw`\x01`;
  const magic = String.raw`\x7f\x45\x4c\x46${elfClass}\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00${emulation.machine}`;
  const mask = String.raw`\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff`;
  return `:${emulation.name}:M::${magic}:${mask}:${interpreter}:OCF`;
}

/** The interpreter from the text of an entry if it is enabled and has the flag F; undefined otherwise. */
export function usableInterpreter(entry: string): string | undefined {
  const [state, ...lines] = entry.split('\n');
  const value = (name: string) =>
    lines
      .find((line) => line.startsWith(name))
      ?.slice(name.length)
      .trim();
  return state === 'enabled' && value('flags:')?.includes('F') === true ? value('interpreter ') : undefined;
}

/** Makes the kernel run the other platform's executables. An existing entry is used unchanged. */
export async function registerEmulation(packages: string): Promise<EmulationState> {
  const emulation = foreignEmulation(process.arch);
  await mountBinfmt();
  const existing = await readEntry(emulation.name);
  if (existing !== undefined) {
    const interpreter = usableInterpreter(existing);
    if (interpreter !== undefined) return { kind: 'existing', name: emulation.name, interpreter };
    throw new EngineError(
      'EMULATION',
      `${BINFMT}/${emulation.name}: expected an enabled entry with the flag F, which works inside containers, found ${JSON.stringify(existing)}`,
      { hint: `Remove it (echo -1 > ${BINFMT}/${emulation.name}) and run the command again.` },
    );
  }
  const interpreter = join(packages, 'usr/bin', emulation.emulator);
  await register(emulation, interpreter);
  return { kind: 'registered', name: emulation.name, interpreter };
}

/**
 * Makes the kernel run 32-bit ARM executables in an emulator until disposed of, under a name that is unique to this
 * process.
 */
export async function emulateArm(interpreter: string): Promise<AsyncDisposable> {
  const emulation = { ...ARM, name: `${ARM.name}-${process.pid}` };
  await mountBinfmt();
  await register(emulation, interpreter);
  return { [Symbol.asyncDispose]: () => writeFile(join(BINFMT, emulation.name), '-1') };
}

async function register(emulation: Emulation, interpreter: string): Promise<void> {
  try {
    await writeFile(join(BINFMT, 'register'), registration(emulation, interpreter));
  } catch (cause) {
    throw new EngineError('EMULATION', `${BINFMT}/register: the kernel refused ${emulation.name}`, { cause });
  }
}

/** Whether the found or registered entry still exists and still uses the same emulator. */
export async function emulationWorks(state: EmulationState): Promise<boolean> {
  const entry = await readEntry(state.name);
  return entry !== undefined && usableInterpreter(entry) === state.interpreter;
}

/** Removes the entry that `up` registered; returns false if there is none of ours to remove. */
export async function unregisterEmulation(state: EmulationState): Promise<boolean> {
  if (state.kind !== 'registered' || !(await emulationWorks(state))) return false;
  await writeFile(join(BINFMT, state.name), '-1');
  return true;
}

async function mountBinfmt(): Promise<void> {
  const registered = await stat(join(BINFMT, 'register')).catch(() => undefined);
  if (registered !== undefined) return;
  const { failed, stderr } = await execa('mount', ['-t', 'binfmt_misc', 'binfmt_misc', BINFMT], {
    reject: false,
  });
  if (failed) {
    throw new EngineError('EMULATION', `mount binfmt_misc on ${BINFMT}: ${stderr}`, {
      hint: 'The kernel needs binfmt_misc (modprobe binfmt_misc), and must allow mounting it here.',
    });
  }
}

async function readEntry(name: string): Promise<string | undefined> {
  try {
    return await readFile(join(BINFMT, name), 'utf8');
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return undefined;
    throw new EngineError('EMULATION', `${BINFMT}/${name}: can't be read`, { cause });
  }
}
