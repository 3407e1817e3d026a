/** The program's version. The build replaces the expression by the released version's literal. */
export const version: string = process.env.RELEASE_VERSION ?? '0.0.0-dev';
