import { useRef, useState } from "preact/hooks";
import { taskHref } from "../state/route.ts";
import { middle } from "../text/format.ts";
import { oneLine } from "../text/visible.ts";
import { BarCard, barWords, endOf } from "./bar-card.tsx";
import type { Bar, Lanes } from "./lanes.ts";
import type { Stretch } from "./stretch.ts";
import { ticks } from "./ticks.ts";
import { useStretch } from "./use-stretch.ts";

interface GanttProps extends Stretch {
  lanes: Lanes;
  widthPx: number;
  /** Called with the stretch that a person zooms or moves to. */
  change: (stretch: Stretch) => void;
}

const LANE_PX = 22;
const AXIS_PX = 24;
const NAMES_PX = 120;
const TICK_PX = 90;
const NARROW_PX = 560;

/** Sessions as bars over time; a validator's is underlined, so that no colour is needed to tell it. */
export function Gantt({ lanes, fromMs, toMs, widthPx, change }: GanttProps) {
  const namesPx = widthPx < NARROW_PX ? 76 : NAMES_PX;
  const roomPx = Math.max(50, widthPx - namesPx - 8);
  const svg = useRef<SVGSVGElement>(null);
  const picked = useStretch(svg, { fromMs, toMs, leftPx: namesPx, roomPx }, change);
  const [told, setTold] = useState<Bar | null>(null);
  const x = (ms: number) =>
    namesPx + (roomPx * (Math.min(Math.max(ms, fromMs), toMs) - fromMs)) / (toMs - fromMs);
  const height = AXIS_PX + lanes.count * LANE_PX + 4;
  return (
    <div class="gantt-drawing">
      <svg
        ref={svg}
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
        <Bands lanes={lanes} widthPx={widthPx} namesPx={namesPx} />
        {lanes.bars.map((bar) => (
          <BarView key={keyOf(bar)} bar={bar} x={x} tell={setTold} />
        ))}
        {picked !== null && (
          <rect
            class="gantt-picked"
            x={Math.max(namesPx, Math.min(picked.fromPx, picked.toPx))}
            y={AXIS_PX}
            width={Math.abs(picked.toPx - picked.fromPx)}
            height={height - AXIS_PX}
          />
        )}
      </svg>
      {told !== null && picked === null && (
        <BarCard
          bar={told}
          leftPx={x(told.beginMs)}
          topPx={AXIS_PX + (told.lane + 1) * LANE_PX}
          widthPx={widthPx}
        />
      )}
    </div>
  );
}

function Bands({ lanes, widthPx, namesPx }: { lanes: Lanes; widthPx: number; namesPx: number }) {
  return (
    <>
      {lanes.bands.map((band) => {
        const y = AXIS_PX + band.first * LANE_PX;
        return (
          <g key={band.name}>
            <line class="gantt-band" x1="0" x2={widthPx} y1={y} y2={y} />
            <text class="gantt-name" x="2" y={y + 15}>
              {middle(oneLine(band.name), namesPx / 7.2)}
              <title>{oneLine(band.name)}</title>
            </text>
          </g>
        );
      })}
    </>
  );
}

interface BarViewProps {
  bar: Bar;
  x: (ms: number) => number;
  tell: (bar: Bar | null) => void;
}

function BarView({ bar, x, tell }: BarViewProps) {
  const { session } = bar;
  const left = x(bar.beginMs);
  const width = Math.max(2, x(bar.endMs) - left);
  const y = AXIS_PX + bar.lane * LANE_PX + 3;
  return (
    <a
      href={taskHref(session.task)}
      class={`gantt-bar g-${endOf(bar)} ${session.role}`}
      data-task={session.task}
      aria-label={barWords(bar)}
      onPointerEnter={() => tell(bar)}
      onPointerLeave={() => tell(null)}
      onFocus={() => tell(bar)}
      onBlur={() => tell(null)}
    >
      <rect x={left} y={y} width={width} height={LANE_PX - 6} rx="3" />
      {session.role === "validator" && (
        <line x1={left} x2={left + width} y1={y + LANE_PX - 6} y2={y + LANE_PX - 6} />
      )}
      {width > 46 && (
        <text x={left + 5} y={y + 12}>
          {middle(session.task, (width - 8) / 6.6)}
        </text>
      )}
    </a>
  );
}

function keyOf({ session }: Bar): string {
  return `${session.task} ${session.attempt} ${session.role} ${session.started_at}`;
}
