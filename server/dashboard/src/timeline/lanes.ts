// Sessions on lanes: each worker has as many lanes as it had sessions at once. Pure.
import type { TimelineSession } from "../api/swarm.ts";

export interface Bar {
  readonly session: TimelineSession;
  readonly beginMs: number;
  readonly endMs: number;
  readonly lane: number;
}

export interface Band {
  readonly name: string;
  /** The first lane, and how many. */
  readonly first: number;
  readonly lanes: number;
}

export interface Lanes {
  readonly bars: readonly Bar[];
  readonly bands: readonly Band[];
  readonly count: number;
}

/**
 * `by` names the band of a session: its worker or its task. What still runs ends now; what does not touch the stretch
 * is not there.
 */
export function laned(
  sessions: readonly TimelineSession[],
  by: (session: TimelineSession) => string,
  nowMs: number,
  fromMs = 0,
  toMs = Number.POSITIVE_INFINITY,
): Lanes {
  const shown = sessions.filter(
    ({ started_at, ended_at }) =>
      (ended_at === null || Date.parse(ended_at) >= fromMs) && Date.parse(started_at) <= toMs,
  );
  const groups = new Map<string, TimelineSession[]>();
  for (const session of shown) groups.set(by(session), [...(groups.get(by(session)) ?? []), session]);
  const names = [...groups.keys()].sort((one, other) => one.localeCompare(other, "en", { numeric: true }));
  const bars: Bar[] = [];
  const bands: Band[] = [];
  let first = 0;
  for (const name of names) {
    const packed = pack(groups.get(name) ?? [], first, nowMs);
    bars.push(...packed.bars);
    bands.push({ name, first, lanes: packed.lanes });
    first += packed.lanes;
  }
  return { bars, bands, count: first };
}

function pack(
  sessions: readonly TimelineSession[],
  first: number,
  nowMs: number,
): { bars: Bar[]; lanes: number } {
  const spans = sessions
    .map((session) => ({
      session,
      beginMs: Date.parse(session.started_at),
      endMs: session.ended_at === null ? nowMs : Date.parse(session.ended_at),
    }))
    .sort((one, other) => one.beginMs - other.beginMs);
  const free: number[] = [];
  const bars = spans.map((span) => {
    let lane = free.findIndex((endMs) => endMs <= span.beginMs);
    if (lane < 0) lane = free.length;
    free[lane] = Math.max(span.endMs, span.beginMs);
    return { ...span, lane: first + lane };
  });
  return { bars, lanes: Math.max(1, free.length) };
}
