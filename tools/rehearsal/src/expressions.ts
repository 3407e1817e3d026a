import { data, Evaluator, Lexer, Parser } from '@actions/expressions';

/** A value in an expression context: JSON. https://docs.github.com/actions/reference/contexts-reference */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [name: string]: Json };

/** The contexts of an expression, by name, and the status of the job or its steps so far. */
export interface Scope {
  readonly contexts: Readonly<Record<string, Json>>;
  readonly status: 'success' | 'failure';
}

const STATUS_FUNCTIONS = ['success', 'failure', 'always', 'cancelled'];

/** Evaluates an expression with GitHub's own evaluator. Throws its errors. */
export function evaluate(expression: string, scope: Scope): Json {
  const functions = STATUS_FUNCTIONS.map((name) => ({
    name,
    minArgs: 0,
    maxArgs: 0,
    call: () => new data.BooleanData(name === 'always' || name === scope.status),
  }));
  const { tokens } = new Lexer(expression).lex();
  const parsed = new Parser(tokens, Object.keys(scope.contexts), functions).parse();
  const context = toData(scope.contexts);
  if (!(context instanceof data.Dictionary)) throw new TypeError('contexts: expected a mapping');
  const result = new Evaluator(
    parsed,
    context,
    new Map(functions.map((each) => [each.name, each])),
  ).evaluate();
  return JSON.parse(JSON.stringify(result, data.replacer) ?? 'null');
}

/** Replaces each expression in a text with its value, converted to text as GitHub does. */
export function interpolate(text: string | number | boolean, scope: Scope): string {
  return String(text).replaceAll(/\$\{\{(.*?)\}\}/gs, (_, expression: string) =>
    toText(evaluate(expression, scope)),
  );
}

/**
 * Whether a condition is true. A condition without a status function is true only if everything succeeded so far.
 * https://docs.github.com/actions/reference/evaluate-expressions-in-workflows-and-actions#status-check-functions
 */
export function holds(condition: string | boolean | undefined, scope: Scope): boolean {
  if (condition === undefined) return scope.status === 'success';
  const expression = String(condition).replace(/^\s*\$\{\{(.*)\}\}\s*$/s, '$1');
  const asksStatus = new RegExp(`\\b(${STATUS_FUNCTIONS.join('|')})\\s*\\(`).test(expression);
  if (!asksStatus && scope.status !== 'success') return false;
  const value = evaluate(expression, scope);
  return !(value === false || value === null || value === 0 || value === '');
}

function toText(value: Json): string {
  if (value === null) return '';
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

function toData(value: Json): data.ExpressionData {
  if (value === null) return new data.Null();
  switch (typeof value) {
    case 'string':
      return new data.StringData(value);
    case 'number':
      return new data.NumberData(value);
    case 'boolean':
      return new data.BooleanData(value);
  }
  if (isList(value)) return new data.Array(...value.map(toData));
  return new data.Dictionary(...Object.entries(value).map(([key, each]) => ({ key, value: toData(each) })));
}

function isList(value: Json): value is readonly Json[] {
  return Array.isArray(value);
}
