// Which stretch of time the timeline shows. Pure.
import type { TimelineSession } from "../../api/swarm.ts";

/** Minutes; 0 is as far back as the sessions go. */
export const SPANS = [
  [0, "all"],
  [5, "5 min"],
  [15, "15 min"],
  [60, "1 h"],
  [360, "6 h"],
  [1440, "24 h"],
] as const;

const LONGEST_MIN = 7 * 1440;
// Less than this would make seconds look like hours.
const SHORTEST_MS = 60_000;

export function askedMinutes(minutes: number): number {
  return minutes === 0 ? LONGEST_MIN : minutes;
}

/** Where the axis begins. */
export function begin(minutes: number, sessions: readonly TimelineSession[], nowMs: number): number {
  if (minutes > 0) return nowMs - minutes * 60_000;
  const first = sessions.reduce((least, { started_at }) => Math.min(least, Date.parse(started_at)), nowMs);
  return Math.min(first, nowMs - SHORTEST_MS);
}
