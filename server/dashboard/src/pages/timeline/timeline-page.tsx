import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { api, type TimelineSession } from "../../api/swarm.ts";
import { onStep } from "../../live/store.ts";
import { nowMs } from "../../state/clock.ts";
import { useLoad } from "../../state/load.ts";
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
  const [minutes, setMinutes] = useState<number>(0);
  const [by, setBy] = useState("worker");
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
        <Choice label="Span" choices={SPANS} value={minutes} choose={setMinutes} />
        <Choice
          label="Rows"
          choices={[
            ["worker", "by worker"],
            ["task", "by task"],
          ]}
          value={by}
          choose={setBy}
        />
        <span class="dim small">solid: builder, underlined: validator</span>
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
