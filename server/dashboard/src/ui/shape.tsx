// One shape for each status, so that none is told by its colour alone.
import type { Status } from "../api/documents.ts";

const OUTLINE = {
  fill: "none",
  stroke: "currentColor",
  "stroke-width": 1.6,
  "stroke-linecap": "round",
} as const;
const FULL = { fill: "currentColor" } as const;

/** The status as a drawing in a box of 14 by 14. */
export function ShapePaths({ status }: { status: Status }) {
  switch (status) {
    case "held":
      return (
        <>
          <path d="M3.9 4.6a3.1 3.1 0 1 1 4.7 2.6C7.5 7.9 7 8.3 7 9.4" {...OUTLINE} stroke-width="1.9" />
          <circle cx="7" cy="12.2" r="1.2" {...FULL} />
        </>
      );
    case "blocked":
      return <circle cx="7" cy="7" r="5" {...OUTLINE} stroke-dasharray="2 2.2" />;
    case "not_started":
      return <circle cx="7" cy="7" r="5" {...OUTLINE} />;
    case "claimed":
      return (
        <>
          <circle cx="7" cy="7" r="5" {...OUTLINE} />
          <path d="M7 2a5 5 0 0 1 0 10z" {...FULL} />
        </>
      );
    case "in_progress":
      return <path d="M3.6 2.1v9.8L12 7z" {...FULL} />;
    case "killing":
      return <path d="M2.5 2.5h9v9h-9zM4.8 4.8l4.4 4.4M9.2 4.8 4.8 9.2" {...OUTLINE} />;
    case "completed":
      return <path d="m2.4 7.4 3.1 3.2 6.1-7.2" {...OUTLINE} stroke-width="2.2" stroke-linejoin="round" />;
    case "failed":
      return <path d="m3 3 8 8M11 3l-8 8" {...OUTLINE} stroke-width="2.2" />;
    case "killed":
      return <path d="M2.5 2.5h9v9h-9z" {...FULL} />;
    case "skipped":
      return <path d="m2.6 3 4 4-4 4M7.4 3l4 4-4 4" {...OUTLINE} stroke-linejoin="round" />;
  }
}

export function Shape({ status }: { status: Status }) {
  return (
    <svg class={`shape s-${status}`} viewBox="0 0 14 14" width="14" height="14" aria-hidden="true">
      <ShapePaths status={status} />
    </svg>
  );
}
