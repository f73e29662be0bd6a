import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { bind } from "../state/keys.ts";
import type { Drawing, DrawnNode } from "./collapse.ts";
import { GraphNode } from "./graph-node.tsx";
import type { Layout } from "./layout.ts";
import { related } from "./neighbours.ts";
import { pathThrough } from "./path.ts";
import { usePanZoom } from "./use-pan-zoom.ts";
import { type Box, centred, fitted, inView, type Viewport, zoomed } from "./viewport.ts";

interface GraphCanvasProps {
  drawing: Drawing;
  layout: Layout;
  selected: string | null;
  /** Brought to the middle when it changes. */
  found: string | null;
  onSelect: (key: string | null) => void;
  onOpen: (node: DrawnNode) => void;
}

const READABLE = 0.38;
// On opening, words should be readable, even if not all fits.
const LEAST_AT_FIRST = 0.45;

/** The graph as SVG: only what is in view is drawn. */
export function GraphCanvas({ drawing, layout, selected, found, onSelect, onOpen }: GraphCanvasProps) {
  const svg = useRef<SVGSVGElement>(null);
  const [box, setBox] = useState<Box>({ width: 800, height: 500 });
  const [view, setView] = useState<Viewport>({ x: 20, y: 20, scale: 1 });
  const fit = (least?: number) => setView(fitted(layout, sizeOf(svg.current), least));
  usePanZoom(svg, setView);
  useEffect(() => {
    const observer = new ResizeObserver(() => setBox(sizeOf(svg.current)));
    if (svg.current !== null) observer.observe(svg.current);
    return () => observer.disconnect();
  }, []);
  // biome-ignore lint/correctness/useExhaustiveDependencies: a new picture begins fitted, a new status does not
  useEffect(() => fit(LEAST_AT_FIRST), [layout]);
  const zoom = (factor: number) => setView((now) => zoomed(now, factor, box.width / 2, box.height / 2));
  // biome-ignore lint/correctness/useExhaustiveDependencies: bound to this layout and size
  useEffect(
    () =>
      bind([
        { keys: "+", what: "Zoom in", run: () => zoom(1.3) },
        { keys: "-", what: "Zoom out", run: () => zoom(1 / 1.3) },
        { keys: "0", what: "Show the whole graph", run: () => fit() },
        { keys: "Escape", what: "Select nothing", run: () => onSelect(null) },
      ]),
    [layout, box],
  );
  const places = useMemo(() => new Map(layout.nodes.map((place) => [place.key, place])), [layout]);
  useEffect(() => {
    const place = found === null ? undefined : places.get(found);
    if (place !== undefined)
      setView((now) => centred({ ...now, scale: Math.max(now.scale, 0.8) }, place.x, place.y, box));
    // biome-ignore lint/correctness/useExhaustiveDependencies: only a new find moves the view
  }, [found]);
  const near = useMemo(
    () => (selected === null ? null : related(selected, drawing.edges)),
    [selected, drawing.edges],
  );
  const words = view.scale >= READABLE;
  const click = (event: MouseEvent) => onSelect(keyAt(event));
  const open = (event: MouseEvent | KeyboardEvent) => {
    const node = drawing.nodes.find(({ key }) => key === keyAt(event));
    if (node !== undefined) onOpen(node);
  };
  return (
    <div class="graph-frame">
      {/* biome-ignore lint/a11y/noStaticElementInteractions: its nodes are buttons */}
      <svg
        class="graph"
        ref={svg}
        onClick={click}
        onDblClick={open}
        onKeyDown={(event) => {
          if (event.key === "Enter") open(event);
          if (event.key === " ") onSelect(keyAt(event));
        }}
        data-nodes={drawing.nodes.length}
      >
        <title>Dependency graph</title>
        <g transform={`translate(${view.x} ${view.y}) scale(${view.scale})`}>
          <Edges layout={layout} near={near} />
          {drawing.nodes.map((node) => {
            const place = places.get(node.key);
            if (place === undefined || !inView(view, box, place.x, place.y, place.width, place.height))
              return null;
            return (
              <GraphNode
                key={node.key}
                node={node}
                place={place}
                words={words}
                selected={node.key === selected}
                faded={near !== null && !near.has(node.key)}
              />
            );
          })}
        </g>
      </svg>
      <div class="graph-buttons">
        <button
          type="button"
          class="button icon"
          aria-label="Zoom in"
          title="Zoom in (+)"
          onClick={() => zoom(1.3)}
        >
          +
        </button>
        <button
          type="button"
          class="button icon"
          aria-label="Zoom out"
          title="Zoom out (-)"
          onClick={() => zoom(1 / 1.3)}
        >
          −
        </button>
        <button
          type="button"
          class="button icon"
          aria-label="Show all"
          title="Show all (0)"
          onClick={() => fit()}
        >
          ⤢
        </button>
      </div>
    </div>
  );
}

function Edges({ layout, near }: { layout: Layout; near: ReadonlySet<string> | null }) {
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
          class={near === null ? undefined : near.has(from) && near.has(to) ? "near" : "faded"}
        />
      ))}
    </g>
  );
}

function sizeOf(svg: SVGSVGElement | null): Box {
  return { width: svg?.clientWidth || 800, height: svg?.clientHeight || 500 };
}

function keyAt(event: Event): string | null {
  const target = event.target;
  return target instanceof Element ? (target.closest<SVGGElement>("[data-key]")?.dataset.key ?? null) : null;
}
