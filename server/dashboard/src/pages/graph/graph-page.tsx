import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { COLLAPSE_ABOVE, type Drawing, type DrawnNode, drawn } from "../../graph/collapse.ts";
import { GraphCanvas } from "../../graph/graph-canvas.tsx";
import { PHASE_SIZE, TASK_SIZE } from "../../graph/graph-node.tsx";
import type { Layout } from "../../graph/layout.ts";
import { Layouter } from "../../graph/layouter.ts";
import { go, route, taskHref } from "../../state/route.ts";
import { count } from "../../text/format.ts";
import { Empty, Failure, Loading } from "../../ui/states.tsx";
import { Legend } from "./legend.tsx";
import { SelectedCard } from "./selected-card.tsx";
import { useGraph } from "./use-graph.ts";

/** The dependency graph. */
export function GraphPage() {
  const { graph, error, reload, loadPhase } = useGraph();
  const [open, setOpen] = useState<ReadonlySet<string>>(new Set());
  const [selected, setSelected] = useState<string | null>(null);
  const [wanted, setWanted] = useState(route.value.query.get("task") ?? "");
  const drawing = useMemo(() => (graph === null ? null : drawn(graph, open)), [graph, open]);
  const layout = useLayout(drawing);
  const found = useMemo(() => find(drawing, wanted), [drawing, wanted]);
  if (graph === null || drawing === null) {
    return error === null ? <Loading what="the graph" /> : <Failure error={error} retry={reload} />;
  }
  if (drawing.nodes.length === 0)
    return <Empty title="There are no tasks yet.">Add some with `swarmctl import FILE`.</Empty>;
  const toggle = (phase: string) => {
    const next = new Set(open);
    if (!next.delete(phase)) {
      next.add(phase);
      if (graph.phases.size > 0) loadPhase(phase);
    }
    setOpen(next);
    setSelected(null);
  };
  const openNode = (node: DrawnNode) =>
    node.kind === "task" ? go(taskHref(node.task.id)) : toggle(node.phase);
  const collapsed = graph.phases.size > 0 || graph.tasks.size > COLLAPSE_ABOVE;
  return (
    <div class="page graph-page">
      <div class="tasks-head">
        <h1>Graph</h1>
        <span class="dim">
          {count(drawing.nodes.length)} nodes, {count(drawing.edges.length)} edges
          {collapsed && ": collapsed by phase; open one with a double click"}
        </span>
        <input
          class="field search"
          type="search"
          data-search
          placeholder="Find a task  ( / )"
          aria-label="Find a task"
          value={wanted}
          onInput={(event) => setWanted(event.currentTarget.value)}
        />
        {open.size > 0 && (
          <button type="button" class="chip" onClick={() => setOpen(new Set())}>
            Close all phases
          </button>
        )}
      </div>
      <div class="graph-place">
        {layout === null ? (
          <Loading what="the layout" />
        ) : (
          <GraphCanvas
            drawing={drawing}
            layout={layout}
            selected={selected ?? found}
            found={found}
            onSelect={setSelected}
            onOpen={openNode}
          />
        )}
        <SelectedCard
          node={drawing.nodes.find(({ key }) => key === (selected ?? found)) ?? null}
          open={openNode}
        />
        <Legend />
      </div>
    </div>
  );
}

function find(drawing: Drawing | null, wanted: string): string | null {
  const text = wanted.trim().toLowerCase();
  if (drawing === null || text === "") return null;
  const says = (node: DrawnNode) =>
    (node.kind === "task" ? `${node.task.id} ${node.task.name}` : node.phase).toLowerCase().includes(text);
  const exact = drawing.nodes.find((node) => node.kind === "task" && node.task.id.toLowerCase() === text);
  return (exact ?? drawing.nodes.find(says))?.key ?? null;
}

/** The layout of what is drawn; asked for anew only when nodes or edges are others, not when statuses are. */
function useLayout(drawing: Drawing | null): Layout | null {
  const [layout, setLayout] = useState<Layout | null>(null);
  const layouter = useRef<Layouter | null>(null);
  const shape = useMemo(() => shapeOf(drawing), [drawing]);
  useEffect(() => {
    const made = new Layouter(setLayout);
    layouter.current = made;
    return () => made.close();
  }, []);
  // biome-ignore lint/correctness/useExhaustiveDependencies: the shape stands for the drawing
  useEffect(() => {
    if (drawing === null) return;
    layouter.current?.ask({
      nodes: drawing.nodes.map(({ key, kind }) => ({ key, ...(kind === "task" ? TASK_SIZE : PHASE_SIZE) })),
      edges: drawing.edges.map(({ from, to }) => ({ from, to })),
      room: { width: window.innerWidth, height: window.innerHeight },
    });
  }, [shape]);
  return layout;
}

function shapeOf(drawing: Drawing | null): string {
  if (drawing === null) return "";
  return [
    ...drawing.nodes.map(({ key }) => key),
    ...drawing.edges.map(({ from, to }) => `${from}→${to}`),
  ].join("\n");
}
