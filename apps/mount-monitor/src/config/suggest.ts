/** Returns the known word nearest to an unknown one by edit distance, or undefined if none is close. */
export function nearest(word: string, known: readonly string[]): string | undefined {
  let best: string | undefined;
  let bestDistance = Math.max(2, Math.floor(word.length / 2)) + 1;
  for (const candidate of known) {
    const distance = difference(word.toLowerCase(), candidate.toLowerCase());
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

/** The edit distance, or a small value if one word contains the other: `port` for `httpPort`. */
function difference(word: string, candidate: string): number {
  const held = word.length >= 3 && (candidate.includes(word) || word.includes(candidate));
  const distance = editDistance(word, candidate);
  return held ? Math.min(distance, 2) : distance;
}

function editDistance(left: string, right: string): number {
  // A very long key would take quadratic time and is not close to anything anyway.
  if (Math.abs(left.length - right.length) > 40) return Number.POSITIVE_INFINITY;
  let previous = Array.from({ length: right.length + 1 }, (_, index) => index);
  for (let row = 1; row <= left.length; row += 1) {
    const current = [row];
    for (let column = 1; column <= right.length; column += 1) {
      const substituted =
        (previous[column - 1] ?? 0) + (left.charAt(row - 1) === right.charAt(column - 1) ? 0 : 1);
      current.push(Math.min((previous[column] ?? 0) + 1, (current[column - 1] ?? 0) + 1, substituted));
    }
    previous = current;
  }
  return previous[right.length] ?? 0;
}
