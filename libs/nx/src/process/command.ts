/** A program to run without a shell: a file (or a name in PATH) and its arguments. */
export interface Command {
  readonly file: string;
  readonly args: readonly string[];
}
