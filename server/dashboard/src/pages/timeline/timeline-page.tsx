import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { api, type TimelineSession } from "../../api/swarm.ts";
import { onStep } from "../../live/store.ts";
import { nowMs } from "../../state/clock.ts";
import { bind } from "../../state/keys.ts";
import { useLoad } from "../../state/load.ts";
import { href, replace, route } from "../../state/route.ts";
import { throttled } from "../../state/throttle.ts";
import { count } from "../../text/format.ts";
import { Gantt } from "../../timeline/gantt.tsx";
import { laned } from "../../timeline/lanes.ts";
import { type Stretch, shifted, stretched } from "../../timeline/stretch.ts";
import { Empty, Failure, Loading } from "../../ui/states.tsx";
import { askedMinutes, begin, readTimelineQuery, type TimelineQuery, writeTimelineQuery } from "./span.ts";
import { TimelineTools } from "./timeline-tools.tsx";

const BY: Record<string, (session: TimelineSession) => string> = {
  worker: (session) => session.worker ?? "–",
  task: (session) => session.task,
};
const LIMIT = 500;
const REFRESH_MS = 2000;
const SETTLED_MS = 200;
const ZOOM = 2;

/** The attempts over time, by worker or by task. */
export function TimelinePage() {
  const query = readTimelineQuery(route.value.query);
  const { minutes, by, stretch } = query;
  const place = useRef<HTMLDivElement>(null);
  const widthPx = useWidth(place);
  const { sessions, error, reload } = useSessions(minutes, stretch);
  const now = nowMs.value;
  const fromMs = stretch?.fromMs ?? begin(minutes, sessions ?? [], now);
  const toMs = stretch?.toMs ?? now;
  const lanes = useMemo(
    () => laned(sessions ?? [], BY[by] ?? (() => ""), now, fromMs, toMs),
    [sessions, by, now, fromMs, toMs],
  );
  const change = (next: Stretch | null) => show({ ...query, stretch: next });
  const axis = useRef({ fromMs, toMs });
  axis.current = { fromMs, toMs };
  const zoom = (factor: number) => {
    const { current } = axis;
    change(stretched(current, factor, (current.fromMs + current.toMs) / 2));
  };
  const move = (share: number) => {
    const { current } = axis;
    change(shifted(current, share * (current.toMs - current.fromMs)));
  };
  const latest = useRef({ zoom, move, change });
  latest.current = { zoom, move, change };
  useEffect(
    () =>
      bind([
        { keys: "+", what: "Zoom in", run: () => latest.current.zoom(1 / ZOOM) },
        { keys: "-", what: "Zoom out", run: () => latest.current.zoom(ZOOM) },
        { keys: "[", what: "Earlier", run: () => latest.current.move(-0.5) },
        { keys: "]", what: "Later", run: () => latest.current.move(0.5) },
        { keys: "0", what: "Follow the present", run: () => latest.current.change(null) },
      ]),
    [],
  );
  const most = Math.min(lanes.bars.length, LIMIT);
  return (
    <div class="page timeline-page">
      <div class="tasks-head">
        <h1>Timeline</h1>
        <span class="dim">
          {sessions === null ? "" : `${sessions.length >= LIMIT ? "the latest " : ""}${count(most)} sessions`}
        </span>
        <TimelineTools query={query} zoom={zoom} move={move} show={show} />
      </div>
      <div class="panel gantt-place">
        <div ref={place}>
          {error !== null && sessions === null ? (
            <Failure error={error} retry={reload} />
          ) : sessions === null ? (
            <Loading what="the sessions" />
          ) : sessions.length === 0 && stretch === null ? (
            <Empty title="No session ran in this span.">Choose a longer one.</Empty>
          ) : (
            <Gantt lanes={lanes} fromMs={fromMs} toMs={toMs} widthPx={widthPx} change={change} />
          )}
        </div>
      </div>
    </div>
  );
}

/** Keeps the choice in the address. */
function show(query: TimelineQuery): void {
  replace(href("timeline", null, writeTimelineQuery(query)));
}

/** The sessions of the span or the stretch; while others load, those that were there stay. */
function useSessions(minutes: number, stretch: Stretch | null) {
  // A wheel changes the stretch many times a second.
  const [settled, setSettled] = useState(stretch);
  const [fromMs, toMs] = [stretch?.fromMs ?? 0, stretch?.toMs ?? 0];
  useEffect(() => {
    const timer = window.setTimeout(() => setSettled(toMs > 0 ? { fromMs, toMs } : null), SETTLED_MS);
    return () => window.clearTimeout(timer);
  }, [fromMs, toMs]);
  const { value, error, reload } = useLoad(`${minutes} ${settled?.fromMs} ${settled?.toMs}`, () => {
    const until = Date.now();
    const asked = settled ?? { fromMs: until - askedMinutes(minutes) * 60_000, toMs: until + 60_000 };
    const [since, end] = [new Date(asked.fromMs).toISOString(), new Date(asked.toMs).toISOString()];
    return api.timeline({ since, until: end, limit: LIMIT });
  });
  useEffect(() => {
    const refresh = throttled(reload, REFRESH_MS);
    const stop = onStep(() => refresh());
    return () => {
      stop();
      refresh.cancel();
    };
  }, [reload]);
  const last = useRef<readonly TimelineSession[] | null>(null);
  if (value !== null) last.current = value.sessions;
  return { sessions: last.current, error, reload };
}

function useWidth(place: { current: HTMLDivElement | null }): number {
  const [widthPx, setWidthPx] = useState(800);
  useEffect(() => {
    const element = place.current;
    if (element === null) return undefined;
    const observer = new ResizeObserver(() => setWidthPx(element.clientWidth));
    observer.observe(element);
    return () => observer.disconnect();
  }, [place]);
  return widthPx;
}
