/** The names of the `e_machine` values for this project's platforms. */
const MACHINES: Readonly<Record<number, string>> = {
  3: 'i386',
  20: 'ppc',
  21: 'ppc64',
  22: 's390',
  40: 'arm',
  62: 'x86_64',
  183: 'aarch64',
  243: 'riscv',
  258: 'loongarch',
};

/** The machine's name, from the EM_ constants in the gABI; `EM_<number>` for a machine without a name here. */
export function machineName(value: number): string {
  return MACHINES[value] ?? `EM_${value}`;
}
