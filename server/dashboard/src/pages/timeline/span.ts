// Which stretch of time the timeline shows: the last minutes, which move on, or a fixed stretch. Pure.
import type { TimelineSession } from "../../api/swarm.ts";
import { LONGEST_MS, type Stretch } from "../../timeline/stretch.ts";

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

export interface TimelineQuery {
  readonly minutes: number;
  readonly by: "worker" | "task";
  /** Null follows the present. */
  readonly stretch: Stretch | null;
}

export function readTimelineQuery(search: URLSearchParams): TimelineQuery {
  const [fromMs, toMs] = [Date.parse(search.get("from") ?? ""), Date.parse(search.get("to") ?? "")];
  return {
    minutes: SPANS.find(([size]) => String(size) === search.get("minutes"))?.[0] ?? 0,
    by: search.get("by") === "task" ? "task" : "worker",
    stretch: toMs - fromMs > 0 && toMs - fromMs <= LONGEST_MS ? { fromMs, toMs } : null,
  };
}

export function writeTimelineQuery({ minutes, by, stretch }: TimelineQuery): URLSearchParams {
  const search = new URLSearchParams();
  if (minutes !== 0) search.set("minutes", String(minutes));
  if (by !== "worker") search.set("by", by);
  if (stretch !== null) {
    search.set("from", new Date(stretch.fromMs).toISOString());
    search.set("to", new Date(stretch.toMs).toISOString());
  }
  return search;
}

export function askedMinutes(minutes: number): number {
  return minutes === 0 ? LONGEST_MIN : minutes;
}

/** Where the axis begins. */
export function begin(minutes: number, sessions: readonly TimelineSession[], nowMs: number): number {
  if (minutes > 0) return nowMs - minutes * 60_000;
  const first = sessions.reduce((least, { started_at }) => Math.min(least, Date.parse(started_at)), nowMs);
  return Math.min(first, nowMs - SHORTEST_MS);
}
