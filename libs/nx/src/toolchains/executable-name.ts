import * as v from 'valibot';

/** The name of an additional executable, which is also its name as a file and its path in the image. */
export const executableName = v.pipe(
  v.string(),
  v.regex(
    /^[a-z0-9][a-z0-9._-]{0,100}$/,
    'expected names of lowercase letters, digits, ".", "_" and "-", starting with a letter or digit',
  ),
);
