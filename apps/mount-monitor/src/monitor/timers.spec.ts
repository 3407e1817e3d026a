import { expect, it } from 'vitest';
import { after } from './timers.ts';

it.each([-1, -0, 0, Number.NEGATIVE_INFINITY])(
  'a wait of %s ms ends right away, without a warning',
  async (milliseconds) => {
    const warnings: Error[] = [];
    const note = (warning: Error): void => void warnings.push(warning);
    process.on('warning', note);
    await new Promise<void>((resolve) => after(milliseconds, resolve));
    process.off('warning', note);
    expect(warnings).toEqual([]);
  },
);

it('a wait longer than a timer’s maximum does not end immediately', async () => {
  let ended = false;
  const cancel = after(2 ** 40, () => {
    ended = true;
  });
  await new Promise((resolve) => setTimeout(resolve, 20));
  cancel();
  expect(ended).toBe(false);
});
