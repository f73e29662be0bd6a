// A stretch of time as a person moves and zooms it. Pure.

export interface Stretch {
  readonly fromMs: number;
  readonly toMs: number;
}

export const SHORTEST_MS = 1_000;
export const LONGEST_MS = 90 * 86_400_000;

/** Longer by the factor, so that what is at that time stays where it is. */
export function stretched({ fromMs, toMs }: Stretch, factor: number, atMs: number): Stretch {
  const wanted = Math.min(LONGEST_MS, Math.max(SHORTEST_MS, (toMs - fromMs) * factor));
  const ratio = wanted / (toMs - fromMs);
  return whole(atMs - (atMs - fromMs) * ratio, atMs + (toMs - atMs) * ratio);
}

export function shifted({ fromMs, toMs }: Stretch, byMs: number): Stretch {
  return whole(fromMs + byMs, toMs + byMs);
}

/** The stretch between two times, whichever is first, and never less than the shortest. */
export function between(oneMs: number, otherMs: number): Stretch {
  const fromMs = Math.min(oneMs, otherMs);
  return whole(fromMs, Math.max(oneMs, otherMs, fromMs + SHORTEST_MS));
}

function whole(fromMs: number, toMs: number): Stretch {
  return { fromMs: Math.round(fromMs), toMs: Math.round(toMs) };
}
