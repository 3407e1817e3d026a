/** Arguments by which git commits and tags on a machine where nobody has said who they are. */
export const GIT_AUTHOR = ['-c', 'user.name=Test', '-c', 'user.email=test@example.com'] as const;
