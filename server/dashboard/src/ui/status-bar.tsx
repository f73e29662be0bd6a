import type { Counts, Status } from "../api/documents.ts";
import { count } from "../text/format.ts";
import { statusWord } from "../text/words.ts";

// From done to not yet possible, so that the bar fills from the left.
export const BAR_ORDER: readonly Status[] = [
  "completed",
  "in_progress",
  "claimed",
  "killing",
  "held",
  "failed",
  "killed",
  "skipped",
  "not_started",
  "blocked",
];

/** How the tasks are spread over the statuses, as one bar. */
export function StatusBar({
  counts,
  total,
  class: name = "",
}: {
  counts: Counts;
  total: number;
  class?: string;
}) {
  const parts = BAR_ORDER.filter((status) => (counts[status] ?? 0) > 0);
  const told = parts.map((status) => `${count(counts[status] ?? 0)} ${statusWord(status)}`).join(", ");
  return (
    <div class={`bar ${name}`} role="img" aria-label={told || "no tasks"}>
      {parts.map((status) => (
        <span
          key={status}
          class={`bar-part b-${status}`}
          style={{ flexGrow: String((counts[status] ?? 0) / Math.max(1, total)) }}
          title={`${count(counts[status] ?? 0)} ${statusWord(status)}`}
        />
      ))}
    </div>
  );
}
