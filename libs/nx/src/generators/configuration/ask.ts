import { createInterface } from 'node:readline/promises';

/** Asks a question and returns the answer; undefined if nobody can answer. */
export type Ask = (question: string) => Promise<string | undefined>;

/** Asks at the terminal. In CI, or if stdin or stdout isn't a terminal, nobody can answer. */
export const askAtTerminal: Ask = async (question) => {
  if (!process.stdin.isTTY || !process.stdout.isTTY || process.env.CI) return undefined;
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  try {
    return (await terminal.question(`${question} `)).trim();
  } finally {
    terminal.close();
  }
};
