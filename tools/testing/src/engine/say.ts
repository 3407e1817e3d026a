/** Tells the user one whole line about what is being done. */
export type Say = (line: string) => void;
