/** A program that was started, and its ancestors. */
export interface TracedProgram {
  readonly pid: number;
  readonly path: string;
  readonly args: readonly string[];
  /** From the root of the trace down to the process itself. */
  readonly ancestry: readonly number[];
}

/**
 * The programs that were started, in order, from a trace of `strace --follow-forks
 * --trace=execve,clone,clone3,fork,vfork --string-limit=…`. Failed attempts (a search along PATH) are left out.
 *
 * @see https://man7.org/linux/man-pages/man1/strace.1.html
 */
export function readTrace(trace: string): readonly TracedProgram[] {
  const parents = new Map<number, number>();
  const unfinished = new Map<number, string>();
  const programs: Omit<TracedProgram, 'ancestry'>[] = [];
  for (const line of trace.split('\n')) {
    const match = /^(\d+) +(.*)$/.exec(line);
    if (match === null) continue;
    const [, id = '', text = ''] = match;
    const pid = Number(id);
    const start = / <unfinished \.\.\.>$/.exec(text);
    if (start !== null) {
      unfinished.set(pid, text.slice(0, start.index));
      continue;
    }
    const resumed = /^<\.\.\. \w+ resumed>(.*)$/.exec(text);
    const call = resumed === null ? text : (unfinished.get(pid) ?? '') + (resumed[1] ?? '');
    const child = /^(?:clone3?|v?fork)\(.*= (\d+)$/.exec(call)?.[1];
    if (child !== undefined) parents.set(Number(child), pid);
    const program =
      /^execve\("((?:[^"\\]|\\.)*)", \[(.*?)\](?:, 0x[0-9a-f]+ \/\* \d+ vars \*\/)?\) += 0$/.exec(call);
    if (program !== null) {
      const [, path = '', list = ''] = program;
      const args = [...list.matchAll(/"((?:[^"\\]|\\.)*)"/g)].map(([, argument = '']) => argument);
      programs.push({ pid, path, args });
    }
  }
  return programs.map((program) => ({ ...program, ancestry: ancestryOf(program.pid, parents) }));
}

function ancestryOf(pid: number, parents: ReadonlyMap<number, number>): readonly number[] {
  const line: number[] = [];
  for (let at: number | undefined = pid; at !== undefined && !line.includes(at); at = parents.get(at))
    line.unshift(at);
  return line;
}
