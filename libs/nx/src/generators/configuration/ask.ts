import { createInterface } from 'node:readline/promises';

/** Asks a question and gives the answer back; undefined where nobody can answer. */
export type Ask = (question: string) => Promise<string | undefined>;

/** Asks at the terminal; in CI, and where stdin is not a terminal, nobody can answer. */
export const askAtTerminal: Ask = async (question) => {
  if (!process.stdin.isTTY || !process.stdout.isTTY || process.env.CI) return undefined;
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  try {
    return (await terminal.question(`${question} `)).trim();
  } finally {
    terminal.close();
  }
};
