import fs from 'node:fs';

let title = '';
/** Kept open, because the name changes with nearly every check. */
let comm: number | undefined;

/** Lets others tell a hanging probe from other processes, and see what it hangs on. */
export function nameProcess(wanted: string): void {
  if (wanted === title) return;
  title = wanted;
  try {
    comm ??= fs.openSync('/proc/self/comm', 'w');
    fs.writeSync(comm, title);
  } catch {
    // It is only a name.
  }
}
