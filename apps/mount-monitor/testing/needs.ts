import { it } from 'vitest';

type Body = () => void | Promise<void>;

/**
 * A test that needs something of the machine. Where it is missing the test is skipped with the reason in its
 * title; in CI it fails instead.
 */
export function need(
  what: string,
  present: boolean,
  why: string,
): (title: string, body: Body, timeout?: number) => void {
  return (title, body, timeout) => {
    if (present) {
      it(title, body, timeout);
    } else if (process.env.CI !== undefined && process.env.CI !== '') {
      it(title, () => {
        throw new Error(`this test needs ${what} ${why}, and in CI that must be there`);
      });
    } else {
      it.skip(`${title} (skipped: needs ${what} ${why})`, body);
    }
  };
}
