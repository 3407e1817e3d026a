import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import type { ElfFacts } from '../src/elf.ts';

/** Whether readelf is installed. */
export const HAS_READELF = ['/usr/bin/readelf', '/bin/readelf'].some((path) => existsSync(path));

/** The facts about a file in readelf's output, as an independent reader of the same facts. */
export type ReadelfFacts = Omit<ElfFacts, 'notes' | 'static'> & {
  /** The owner and size in bytes of each note, sorted: readelf lists them in section order. */
  readonly notes: readonly string[];
  readonly buildId: string | null;
};

const MACHINES: Readonly<Record<string, string>> = {
  'Advanced Micro Devices X86-64': 'x86_64',
  AArch64: 'aarch64',
  ARM: 'arm',
  'IBM S/390': 's390',
  'Intel 80386': 'i386',
  PowerPC64: 'ppc64',
  'RISC-V': 'riscv',
};

/** Runs readelf from binutils on a file and parses its output. */
export function readelf(path: string): ReadelfFacts {
  const told = execFileSync(
    'readelf',
    [
      '--wide',
      '--file-header',
      '--program-headers',
      '--dynamic',
      '--version-info',
      '--notes',
      '--arch-specific',
      path,
    ],
    { encoding: 'utf8', env: { ...process.env, LC_ALL: 'C' }, stdio: ['ignore', 'pipe', 'ignore'] },
  );
  const all = (pattern: RegExp): readonly string[] =>
    [...told.matchAll(pattern)].map(([, text]) => text ?? '');
  const one = (pattern: RegExp): string | null => pattern.exec(told)?.[1] ?? null;
  const number = (pattern: RegExp): number | null => {
    const digits = one(pattern);
    return digits === null ? null : Number(digits);
  };
  const machine = one(/^ {2}Machine: +(.*)$/m) ?? '';
  const stack = one(/^ {2}GNU_STACK .* ([R ][W ][E ]) 0x/m);
  return {
    class: one(/Class: +ELF(\d+)/) === '32' ? 32 : 64,
    byteOrder: one(/Data: .* (little|big) endian/) === 'big' ? 'big' : 'little',
    type: one(/Type: +(\w+) /)?.toLowerCase() ?? '',
    machine: MACHINES[machine] ?? machine,
    abi: {
      version: number(/Flags: .* Version(\d) EABI/) ?? number(/Flags: .* abiv(\d)/),
      float: one(/Flags: .* (soft|hard|single|double|quad)-float ABI/) as ElfFacts['abi']['float'],
      architecture: one(/Tag_CPU_arch: (.*)$/m),
    },
    interpreter: one(/program interpreter: (.*)\]/),
    needed: all(/\(NEEDED\).*\[(.*)\]/g),
    soname: one(/\(SONAME\).*\[(.*)\]/),
    rpath: one(/\(RPATH\).*\[(.*)\]/),
    runpath: one(/\(RUNPATH\).*\[(.*)\]/),
    executableStack: stack === null ? null : stack.endsWith('E'),
    versionNeeds: versionNeeds(told),
    versionDefinitions: all(/Rev: 1 {2}Flags: (?!BASE)\w+ .* Name: (\S+)/g).toSorted(),
    // Leaves out notes for debuggers and tracers, which are only in sections, not in segments.
    notes: all(/^ {2}(?!GA|stapsdt)(\S+ +0x[\da-f]{8})\t/gm)
      .map((note) => note.replace(/ +/, ' '))
      .toSorted(),
    buildId: one(/Build ID: ([\da-f]+)/),
  };
}

function versionNeeds(told: string): ElfFacts['versionNeeds'] {
  const needs = new Map<string, string[]>();
  let library = '';
  for (const [, file, name] of told.matchAll(
    / {2}File: (\S+) {2}Cnt|: {3}Name: (\S+) {2}Flags: .* Version:/g,
  )) {
    if (file !== undefined) library = file;
    else needs.set(library, [...(needs.get(library) ?? []), name ?? ''].sort());
  }
  return Object.fromEntries(needs);
}

/** The same facts from our reader. */
export function comparable({ notes, static: _, ...facts }: ElfFacts): ReadelfFacts {
  return {
    ...facts,
    notes: notes
      .map(({ owner, description }) => `${owner} 0x${(description.length / 2).toString(16).padStart(8, '0')}`)
      .toSorted(),
    buildId: notes.find(({ owner, type }) => owner === 'GNU' && type === 3)?.description ?? null,
  };
}
