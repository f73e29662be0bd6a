import { clock } from "../text/format.ts";
import type { LogRow } from "./rows.ts";

const MARKS: Record<string, [string, string]> = {
  error_output: ["!", "standard error"],
  tool_started: [">", "calls a tool"],
  tool_completed: ["<", "the tool is done"],
  reply: ["=", "the model said"],
  worker: ["#", "the worker says"],
  gap: ["…", "left out"],
};

/** One row of a log. */
export function LogRowView({ row }: { row: LogRow }) {
  if (row.heading) return <div class="log-row heading">{row.text}</div>;
  const [mark, what] = MARKS[row.entry.kind] ?? [" ", undefined];
  return (
    <div class={`log-row k-${row.entry.kind}`} data-cursor={row.first ? row.entry.cursor : undefined}>
      <span class="log-time">{row.first ? clock(row.entry.logged_at) : ""}</span>
      <span class="log-mark" title={what}>
        {row.first ? mark : ""}
      </span>
      <span class="log-text">{row.text}</span>
    </div>
  );
}
