import type { Task } from "../api/documents.ts";
import { nowMs } from "../state/clock.ts";
import { between, since, span } from "../text/format.ts";
import { RUNNING } from "../text/words.ts";

/** How long all attempts of a task took; while one runs, it ticks. The last one is in the tooltip. */
export function Took({ task }: { task: Task }) {
  const runs = RUNNING.has(task.status) && task.started_at !== null;
  const last = runs ? since(task.started_at, nowMs.value) : span(between(task.started_at, task.completed_at));
  const ended = task.took_s;
  const running = runs ? Math.max(0, (nowMs.value - Date.parse(task.started_at ?? "")) / 1000) : 0;
  if (ended === null) return <span>{runs ? last : span(null)}</span>;
  const whole = runs ? Math.floor(ended + running) : ended;
  return <span title={task.attempt > 1 ? `all attempts; the last: ${last}` : undefined}>{span(whole)}</span>;
}
