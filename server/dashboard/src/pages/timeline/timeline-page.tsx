import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { api, type TimelineSession } from "../../api/swarm.ts";
import { onStep } from "../../live/store.ts";
import { nowMs } from "../../state/clock.ts";
import { useLoad } from "../../state/load.ts";
import { href, replace, route } from "../../state/route.ts";
import { throttled } from "../../state/throttle.ts";
import { count } from "../../text/format.ts";
import { Gantt } from "../../timeline/gantt.tsx";
import { laned } from "../../timeline/lanes.ts";
import { Empty, Failure, Loading } from "../../ui/states.tsx";
import { askedMinutes, begin, SPANS } from "./span.ts";

const BY: Record<string, (session: TimelineSession) => string> = {
  worker: (session) => session.worker ?? "–",
  task: (session) => session.task,
};
const LIMIT = 500;
const REFRESH_MS = 2000;

/** The attempts over time, by worker or by task. */
export function TimelinePage() {
  const { query } = route.value;
  const minutes = SPANS.find(([size]) => String(size) === query.get("minutes"))?.[0] ?? 0;
  const by = query.get("by") === "task" ? "task" : "worker";
  const place = useRef<HTMLDivElement>(null);
  const widthPx = useWidth(place);
  const { value, error, reload } = useLoad(`${minutes}`, () => {
    const until = Date.now();
    const since = new Date(until - askedMinutes(minutes) * 60_000).toISOString();
    return api.timeline({ since, until: new Date(until + 60_000).toISOString(), limit: LIMIT });
  });
  useEffect(() => {
    const refresh = throttled(reload, REFRESH_MS);
    const stop = onStep(() => refresh());
    return () => {
      stop();
      refresh.cancel();
    };
  }, [reload]);
  const now = nowMs.value;
  const fromMs = begin(minutes, value?.sessions ?? [], now);
  const lanes = useMemo(
    () => laned(value?.sessions ?? [], BY[by] ?? (() => ""), now, fromMs),
    [value, by, now, fromMs],
  );
  const sessions = value?.sessions.length ?? 0;
  return (
    <div class="page timeline-page">
      <div class="tasks-head">
        <h1>Timeline</h1>
        <span class="dim">
          {value === null
            ? ""
            : sessions >= LIMIT
              ? `the latest ${count(sessions)} sessions`
              : `${count(sessions)} sessions`}
        </span>
        <Choice label="Span" choices={SPANS} value={minutes} choose={(size) => show(size, by)} />
        <Choice
          label="Rows"
          choices={[
            ["worker", "by worker"],
            ["task", "by task"],
          ]}
          value={by}
          choose={(rows) => show(minutes, rows)}
        />
        <Legend />
      </div>
      <div class="panel gantt-place">
        <div ref={place}>
          {error !== null && value === null ? (
            <Failure error={error} retry={reload} />
          ) : value === null ? (
            <Loading what="the sessions" />
          ) : sessions === 0 ? (
            <Empty title="No session ran in this span.">Choose a longer one.</Empty>
          ) : (
            <Gantt lanes={lanes} fromMs={fromMs} toMs={now} widthPx={widthPx} />
          )}
        </div>
      </div>
    </div>
  );
}

/** Keeps the choice in the address. */
function show(minutes: number, by: string): void {
  const search = new URLSearchParams();
  if (minutes !== 0) search.set("minutes", String(minutes));
  if (by !== "worker") search.set("by", by);
  replace(href("timeline", null, search));
}

const ENDS = [
  ["in_progress", "runs"],
  ["completed", "completed"],
  ["failed", "failed, or its worker was lost"],
  ["killed", "killed"],
] as const;

/** What the colours and the line below a bar mean; a bar tells the rest in its tooltip. */
function Legend() {
  return (
    <span class="gantt-legend dim small">
      {ENDS.map(([end, words]) => (
        <span key={end}>
          <span class={`swatch b-${end}`} aria-hidden="true" /> {words}
        </span>
      ))}
      <span>
        <span class="swatch underlined-swatch" aria-hidden="true" /> underlined: validator
      </span>
    </span>
  );
}

interface ChoiceProps<T> {
  label: string;
  choices: readonly (readonly [T, string])[];
  value: T;
  choose: (value: T) => void;
}

function Choice<T extends string | number>({ label, choices, value, choose }: ChoiceProps<T>) {
  return (
    <div class="choice" role="group" aria-label={label}>
      {choices.map(([one, word]) => (
        <button key={one} type="button" class="chip" aria-pressed={one === value} onClick={() => choose(one)}>
          {word}
        </button>
      ))}
    </div>
  );
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
