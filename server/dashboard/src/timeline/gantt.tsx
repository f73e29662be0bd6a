import type { TimelineSession } from "../api/swarm.ts";
import { taskHref } from "../state/route.ts";
import { between, clock, span } from "../text/format.ts";
import { oneLine } from "../text/visible.ts";
import { plain } from "../text/words.ts";
import type { Bar, Lanes } from "./lanes.ts";
import { ticks } from "./ticks.ts";

interface GanttProps {
  lanes: Lanes;
  fromMs: number;
  toMs: number;
  widthPx: number;
}

const LANE_PX = 22;
const AXIS_PX = 24;
const NAMES_PX = 120;
const TICK_PX = 90;
const NARROW_PX = 560;

/** Sessions as bars over time; a validator's is hatched by a line, so that no colour is needed to tell it. */
export function Gantt({ lanes, fromMs, toMs, widthPx }: GanttProps) {
  const namesPx = widthPx < NARROW_PX ? 76 : NAMES_PX;
  const roomPx = Math.max(50, widthPx - namesPx - 8);
  const x = (ms: number) =>
    namesPx + (roomPx * (Math.min(Math.max(ms, fromMs), toMs) - fromMs)) / (toMs - fromMs);
  const height = AXIS_PX + lanes.count * LANE_PX + 4;
  return (
    <svg
      class="gantt"
      width={widthPx}
      height={height}
      role="group"
      aria-label={`${lanes.bars.length} sessions over time`}
    >
      {ticks(fromMs, toMs, Math.max(2, Math.floor(roomPx / TICK_PX))).map((tick) => (
        <g key={tick.atMs} transform={`translate(${x(tick.atMs)} 0)`}>
          <line class="gantt-grid" y1={AXIS_PX - 6} y2={height} />
          <text class="gantt-tick" y="13">
            {tick.label}
          </text>
        </g>
      ))}
      {lanes.bands.map((band) => (
        <g key={band.name}>
          <line
            class="gantt-band"
            x1="0"
            x2={widthPx}
            y1={AXIS_PX + band.first * LANE_PX}
            y2={AXIS_PX + band.first * LANE_PX}
          />
          <text class="gantt-name" x="2" y={AXIS_PX + band.first * LANE_PX + 15}>
            {short(oneLine(band.name), namesPx / 7.2)}
            <title>{oneLine(band.name)}</title>
          </text>
        </g>
      ))}
      {lanes.bars.map((bar) => (
        <BarView key={keyOf(bar.session)} bar={bar} x={x} />
      ))}
    </svg>
  );
}

function BarView({ bar, x }: { bar: Bar; x: (ms: number) => number }) {
  const { session } = bar;
  const left = x(bar.beginMs);
  const width = Math.max(2, x(bar.endMs) - left);
  const y = AXIS_PX + bar.lane * LANE_PX + 3;
  const status = session.ended_at === null ? "in_progress" : (session.status ?? "completed");
  const told = `${session.task}, attempt ${session.attempt}, ${session.role} on ${session.worker ?? "?"}: ${plain(status)}, ${clock(session.started_at)}, ${span(between(session.started_at, session.ended_at) ?? (bar.endMs - bar.beginMs) / 1000)}`;
  return (
    <a href={taskHref(session.task)} class={`gantt-bar g-${status} ${session.role}`} data-task={session.task}>
      <title>{oneLine(told, 400)}</title>
      <rect x={left} y={y} width={width} height={LANE_PX - 6} rx="3" />
      {session.role === "validator" && (
        <line x1={left} x2={left + width} y1={y + LANE_PX - 6} y2={y + LANE_PX - 6} />
      )}
      {width > 46 && (
        <text x={left + 5} y={y + 12}>
          {short(session.task, (width - 8) / 6.6)}
        </text>
      )}
    </a>
  );
}

function keyOf(session: TimelineSession): string {
  return `${session.task} ${session.attempt} ${session.role} ${session.started_at}`;
}

function short(text: string, most: number): string {
  const room = Math.max(1, Math.floor(most));
  return text.length <= room ? text : `${text.slice(0, room - 1)}…`;
}
