import { memo } from "preact/compat";
import { useMemo } from "preact/hooks";
import type { Layout } from "./layout.ts";
import { pathThrough } from "./path.ts";

interface EdgesProps {
  layout: Layout;
  /** What stands out; null if everything is alike. */
  near: ReadonlySet<string> | null;
}

/** All edges; drawn anew only when the layout or the selection changes. */
export const Edges = memo(({ layout, near }: EdgesProps) => {
  const paths = useMemo(
    () => layout.edges.map((edge) => ({ ...edge, d: pathThrough(edge.points) })),
    [layout],
  );
  return (
    <g class="gedges">
      <defs>
        <marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">
          <path class="arrow" d="M0 0.8 7.5 4 0 7.2z" />
        </marker>
      </defs>
      {paths.map(({ from, to, d }) => (
        <path
          marker-end="url(#arrow)"
          key={`${from}\n${to}`}
          d={d}
          class={near === null ? "" : near.has(from) && near.has(to) ? "near" : "faded"}
        />
      ))}
    </g>
  );
});
