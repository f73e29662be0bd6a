import { clock, span } from "../text/format.ts";
import { oneLine } from "../text/visible.ts";
import { plain } from "../text/words.ts";
import type { Bar } from "./lanes.ts";

const WIDTH_PX = 260;

/** What a bar is of, beside it as long as the pointer or the focus is on it. */
export function BarCard({ bar, leftPx, topPx, widthPx }: BarCardProps) {
  const { session } = bar;
  const left = Math.max(0, Math.min(leftPx, widthPx - WIDTH_PX));
  return (
    <div
      class="bar-card small"
      role="tooltip"
      style={{ left: `${left}px`, top: `${topPx}px`, width: `${WIDTH_PX}px` }}
    >
      <div class="mono strong cut">{session.task}</div>
      <div>
        {session.role}, attempt {session.attempt}, {plain(endOf(bar))}
      </div>
      <div class="dim">
        {clock(session.started_at)} – {session.ended_at === null ? "now" : clock(session.ended_at)} ·{" "}
        {span((bar.endMs - bar.beginMs) / 1000)}
      </div>
      <div class="dim cut">on {oneLine(session.worker ?? "?")}</div>
    </div>
  );
}

interface BarCardProps {
  bar: Bar;
  leftPx: number;
  topPx: number;
  /** Of the drawing, which the card does not leave. */
  widthPx: number;
}

/** How the attempt of the session ended; the last of an attempt tells the end of it. */
export function endOf({ session }: Bar): string {
  return session.ended_at === null ? "in_progress" : (session.status ?? "completed");
}

/** The same in one line, for those who can't see the card. */
export function barWords(bar: Bar): string {
  const { session } = bar;
  const where = `${session.role} on ${session.worker ?? "?"}`;
  const took = span((bar.endMs - bar.beginMs) / 1000);
  return oneLine(
    `${session.task}, attempt ${session.attempt}, ${where}: ${plain(endOf(bar))}, ${clock(session.started_at)}, ${took}`,
    400,
  );
}
