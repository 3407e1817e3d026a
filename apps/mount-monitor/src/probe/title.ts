import fs from 'node:fs';

let title = '';

/** Lets others tell a probe that hangs from other processes, and what it hangs on. */
export function nameProcess(wanted: string): void {
  if (wanted === title) return;
  title = wanted;
  try {
    fs.writeFileSync('/proc/self/comm', title);
  } catch {
    // A name only.
  }
}
