import { useEffect, useMemo, useRef } from "preact/hooks";
import { bind } from "../state/keys.ts";
import type { Drawing, DrawnNode } from "./collapse.ts";
import { Edges } from "./edges.tsx";
import { focusOf } from "./focus.ts";
import { GraphNode } from "./graph-node.tsx";
import type { Layout } from "./layout.ts";
import { related } from "./neighbours.ts";
import { useViewport, type ViewportControl } from "./use-viewport.ts";
import { inView } from "./viewport.ts";

interface GraphCanvasProps {
  drawing: Drawing;
  layout: Layout;
  selected: string | null;
  /** Brought to the middle when it changes. */
  found: string | null;
  onSelect: (key: string | null) => void;
  onOpen: (node: DrawnNode) => void;
}

// Below this scale nobody can read the words.
const READABLE = 0.38;

/** The graph as SVG: only what is in view is drawn. */
export function GraphCanvas({ drawing, layout, selected, found, onSelect, onOpen }: GraphCanvasProps) {
  const svg = useRef<SVGSVGElement>(null);
  const places = useMemo(() => new Map(layout.nodes.map((place) => [place.key, place])), [layout]);
  const placeOf = (key: string | null) => (key === null ? null : (places.get(key) ?? null));
  const control = useViewport(svg, layout, placeOf(found), placeOf(focusOf(drawing.nodes)));
  const { view, box } = control;
  useEffect(() => bind([{ keys: "Escape", what: "Select nothing", run: () => onSelect(null) }]), [onSelect]);
  const near = useMemo(
    () => (selected === null ? null : related(selected, drawing.edges)),
    [selected, drawing.edges],
  );
  const open = (event: Event) => {
    const node = drawing.nodes.find(({ key }) => key === keyAt(event));
    if (node !== undefined) onOpen(node);
  };
  const press = (event: KeyboardEvent) => {
    if (event.key === "Enter") open(event);
    if (event.key === " ") onSelect(keyAt(event));
  };
  return (
    <div class="graph-frame">
      <svg
        class="graph"
        ref={svg}
        onClick={(event) => onSelect(keyAt(event))}
        onDblClick={open}
        onKeyDown={press}
        data-nodes={drawing.nodes.length}
      >
        <title>Dependency graph</title>
        <g transform={`translate(${view.x} ${view.y}) scale(${view.scale})`}>
          <Edges layout={layout} near={near} />
          {drawing.nodes.map((node) => {
            const place = places.get(node.key);
            if (place === undefined || !inView(view, box, place)) return null;
            return (
              <GraphNode
                key={node.key}
                node={node}
                place={place}
                words={view.scale >= READABLE}
                selected={node.key === selected}
                faded={near !== null && !near.has(node.key)}
              />
            );
          })}
        </g>
      </svg>
      <Buttons control={control} />
    </div>
  );
}

function Buttons({ control: { zoomIn, zoomOut, showAll } }: { control: ViewportControl }) {
  return (
    <div class="graph-buttons">
      <button type="button" class="button icon" aria-label="Zoom in" title="Zoom in (+)" onClick={zoomIn}>
        +
      </button>
      <button type="button" class="button icon" aria-label="Zoom out" title="Zoom out (-)" onClick={zoomOut}>
        −
      </button>
      <button type="button" class="button icon" aria-label="Show all" title="Show all (0)" onClick={showAll}>
        ⤢
      </button>
    </div>
  );
}

function keyAt(event: Event): string | null {
  const target = event.target;
  return target instanceof Element ? (target.closest<SVGGElement>("[data-key]")?.dataset.key ?? null) : null;
}
