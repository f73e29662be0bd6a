import { clock } from "../text/format.ts";
import type { Span } from "./markdown.ts";
import type { LogRow } from "./rows.ts";

const MARKS: Record<string, [string, string]> = {
  error_output: ["!", "standard error"],
  tool_started: [">", "calls a tool"],
  tool_completed: ["<", "the tool is done"],
  reply: ["=", "the model said"],
  worker: ["#", "the worker says"],
  gap: ["…", "left out"],
  prompt: ["$", "the prompt"],
};

interface LogRowProps {
  row: LogRow;
  /** Whether the row after it is of the same entry. */
  open: boolean;
  /** Opens or closes an entry that folds. */
  toggle: () => void;
  /** Whether a link leads to it. */
  linked: boolean;
  /** Makes the address lead to it. */
  link: (cursor: number) => void;
}

/** What the marks of the log mean. */
export function LogLegend() {
  return (
    <p class="log-legend small dim">
      {Object.entries(MARKS).map(([kind, [mark, what]]) => (
        <span key={kind} class={`k-${kind}`}>
          <span class="mono strong">{mark}</span> {what}
        </span>
      ))}
    </p>
  );
}

/** One row of a log. */
export function LogRowView({ row, open, toggle, linked, link }: LogRowProps) {
  if (row.heading) return <div class="log-row heading">{row.text}</div>;
  const [mark, what] = MARKS[row.entry.kind] ?? [" ", undefined];
  return (
    <div
      class={`log-row k-${row.entry.kind} l-${row.layout} ${linked ? "linked" : ""}`}
      data-cursor={row.first ? row.entry.cursor : undefined}
    >
      {row.first ? (
        <button
          type="button"
          class="log-time"
          tabIndex={-1}
          title="Put this line into the address"
          onClick={() => link(row.entry.cursor)}
        >
          {clock(row.entry.logged_at)}
        </button>
      ) : (
        <span class="log-time" />
      )}
      <span class="log-mark" title={what}>
        {row.first ? mark : ""}
      </span>
      <span class="log-text">
        {row.folds > 0 ? (
          <button type="button" class="log-fold" aria-expanded={open} onClick={toggle}>
            <span class="log-folded">{row.text}</span>
            <span class="dim">
              {open ? " ▾" : ` ▸ ${row.folds}`}
              {!open && <span class="wide-only"> {row.folds === 1 ? "more line" : "more lines"}</span>}
            </span>
          </button>
        ) : (
          row.spans.map((span, at) => <LogSpan key={at} span={span} />)
        )}
      </span>
    </div>
  );
}

function LogSpan({ span: { text, style } }: { span: Span }) {
  if (style === "code") return <code>{text}</code>;
  if (style === "strong") return <strong>{text}</strong>;
  if (style === "emphasis") return <em>{text}</em>;
  return <>{text}</>;
}
