import fs from 'node:fs';

let title = '';
/** Kept open: a name changes with nearly every check. */
let comm: number | undefined;

/** Lets others tell a probe that hangs from other processes, and what it hangs on. */
export function nameProcess(wanted: string): void {
  if (wanted === title) return;
  title = wanted;
  try {
    comm ??= fs.openSync('/proc/self/comm', 'w');
    fs.writeSync(comm, title);
  } catch {
    // A name only.
  }
}
