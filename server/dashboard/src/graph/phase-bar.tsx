import type { Counts } from "../api/documents.ts";
import { BAR_ORDER } from "../ui/status-bar.tsx";

/** How the tasks of a phase are spread over the statuses. */
export function PhaseBar({ counts, total, width }: { counts: Counts; total: number; width: number }) {
  let x = 12;
  return (
    <g>
      {BAR_ORDER.filter((status) => (counts[status] ?? 0) > 0).map((status) => {
        const size = (width * (counts[status] ?? 0)) / Math.max(1, total);
        const part = <rect key={status} class={`f-${status}`} x={x} y="52" width={size} height="7" />;
        x += size;
        return part;
      })}
    </g>
  );
}
