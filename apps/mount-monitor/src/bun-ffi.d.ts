/** The part of https://bun.com/docs/runtime/ffi that is used here. */
declare module 'bun:ffi' {
  type Calls = Readonly<
    Record<string, { readonly args: readonly ('i32' | 'ptr' | 'u64')[]; readonly returns: 'i32' }>
  >;
  export function dlopen<const Symbols extends Calls>(
    library: string,
    symbols: Symbols,
  ): {
    readonly symbols: {
      readonly [Name in keyof Symbols]: (...args: (number | Int32Array | Buffer)[]) => number;
    };
  };
}
