import * as v from 'valibot';

/** The name of an executable that a program has beside its own: what a file and a path in the image can be called. */
export const executableName = v.pipe(
  v.string(),
  v.regex(
    /^[a-z0-9][a-z0-9._-]{0,100}$/,
    'expected names of lower-case letters, digits, ".", "_" and "-", starting with a letter or digit',
  ),
);
