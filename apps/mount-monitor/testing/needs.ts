import { it } from 'vitest';

type Body = () => void | Promise<void>;

/**
 * Declares a test that needs something from the machine. If that is missing, the test is skipped with the reason in its
 * title, or fails in CI.
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
        throw new Error(`this test needs ${what} ${why}, which must be available in CI`);
      });
    } else {
      it.skip(`${title} (skipped: needs ${what} ${why})`, body);
    }
  };
}
