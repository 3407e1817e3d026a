/** Prints one line of progress for the user. */
export type Say = (line: string) => void;
