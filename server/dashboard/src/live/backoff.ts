// How long to wait before the next try to connect: soon at first, never longer than a person would wait.

const FIRST_MS = 250;
const LONGEST_MS = 5000;

/** `tries` counts the failures so far, from 1; `random` in [0, 1) spreads pages that lost the same server. */
export function backoffMs(tries: number, random: number): number {
  const full = Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(tries - 1, 10));
  return Math.round(full * (0.75 + 0.25 * random));
}
