import { useEffect, useMemo, useState } from "preact/hooks";
import { api } from "../../api/swarm.ts";
import { Chart } from "../../charts/chart.tsx";
import { durationRows, isYoung, throughputRows } from "../../charts/series.ts";
import { useLoad } from "../../state/load.ts";
import { count, short, shortSpan, span } from "../../text/format.ts";
import { Panel } from "../../ui/panel.tsx";
import { Empty, Failure } from "../../ui/states.tsx";

const SPANS = [
  [15, "15 min"],
  [60, "1 h"],
  [360, "6 h"],
  [1440, "24 h"],
] as const;
const EVERY_MS = 10_000;
const THROUGHPUT = [
  { label: "ended", colour: "completed", bars: true, format: count },
  { label: "of these failed", colour: "failed", bars: true, format: count },
];
const DURATIONS = [
  { label: "builder", colour: "in_progress", format: span },
  { label: "validator", colour: "killing", format: span },
];

/** How fast it goes: attempts that ended, and how long sessions take. */
export function ChartsPanel() {
  const [chosen, setChosen] = useState<number | null>(null);
  const [young, setYoung] = useState(false);
  const minutes = chosen ?? (young ? SPANS[0][0] : SPANS[1][0]);
  const { value, error, reload } = useLoad(`${minutes}`, () => api.throughput(minutes), EVERY_MS);
  // A swarm that has just begun would be a line at the edge of an hour.
  useEffect(() => {
    if (chosen === null && value !== null && minutes === SPANS[1][0]) setYoung(isYoung(value.buckets));
  }, [chosen, minutes, value]);
  const rows = useMemo(() => throughputRows(value?.buckets ?? []), [value]);
  const durations = useMemo(() => durationRows(value?.buckets ?? []), [value]);
  const choice = (
    <div class="choice" role="group" aria-label="Span">
      {SPANS.map(([size, label]) => (
        <button
          key={size}
          type="button"
          class="chip"
          aria-pressed={size === minutes}
          onClick={() => setChosen(size)}
        >
          {label}
        </button>
      ))}
    </div>
  );
  return (
    <Panel title="Throughput" aside={choice} class="charts">
      {error !== null && value === null ? (
        <Failure error={error} retry={reload} />
      ) : value !== null && value.buckets.length === 0 ? (
        <Empty title="Nothing has ended yet." />
      ) : (
        <div class="chart-pair">
          <figure>
            <figcaption class="small dim">Tasks that ended</figcaption>
            <Chart data={rows} series={THROUGHPUT} label="Tasks that ended, over time" axis={short} />
          </figure>
          <figure>
            <figcaption class="small dim">Median length of sessions</figcaption>
            <Chart
              data={durations}
              series={DURATIONS}
              label="Median length of sessions, over time"
              axis={shortSpan}
            />
          </figure>
        </div>
      )}
    </Panel>
  );
}
