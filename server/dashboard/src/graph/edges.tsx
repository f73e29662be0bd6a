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
      {paths.map(({ from, to, d }) => (
        <path
          key={`${from}\n${to}`}
          d={d}
          class={near === null ? "" : near.has(from) && near.has(to) ? "near" : "faded"}
        />
      ))}
    </g>
  );
});
