import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { COLLAPSE_ABOVE, type Drawing, type DrawnNode, drawn, type Graph } from "../../graph/collapse.ts";
import { GraphCanvas } from "../../graph/graph-canvas.tsx";
import { PHASE_SIZE, TASK_SIZE } from "../../graph/graph-node.tsx";
import type { Layout } from "../../graph/layout.ts";
import { Layouter } from "../../graph/layouter.ts";
import { go, route, taskHref } from "../../state/route.ts";
import { count } from "../../text/format.ts";
import { Empty, Failure, Loading } from "../../ui/states.tsx";
import { Legend } from "./legend.tsx";
import { readGraphQuery, showGraph } from "./query.ts";
import { SelectedCard } from "./selected-card.tsx";
import { type FoundTask, useFound } from "./use-found.ts";
import { useGraph } from "./use-graph.ts";

/** The dependency graph. */
export function GraphPage() {
  const { graph, error, reload, loadPhase } = useGraph();
  const search = route.value.query.toString();
  const { task: wanted, open: asked } = useMemo(() => readGraphQuery(new URLSearchParams(search)), [search]);
  const [selected, setSelected] = useState<string | null>(null);
  const [landed, setLanded] = useState<string | null>(null);
  const hit = useFound(graph, wanted);
  const hitPhase = hit?.phase ?? null;
  const open = useMemo(() => new Set(hitPhase === null ? asked : [...asked, hitPhase]), [asked, hitPhase]);
  usePhases(graph, open, loadPhase);
  const drawing = useMemo(() => (graph === null ? null : drawn(graph, open)), [graph, open]);
  const layout = useLayout(drawing);
  const found = useMemo(() => placeFor(drawing, hit, wanted, landed), [drawing, hit, wanted, landed]);
  const marked = selected ?? (wanted.trim() === "" ? null : found);
  if (graph === null || drawing === null) {
    return error === null ? <Loading what="the graph" /> : <Failure error={error} retry={reload} />;
  }
  if (drawing.nodes.length === 0)
    return <Empty title="There are no tasks yet.">Add some with `swarmctl import FILE`.</Empty>;
  const toggle = (phase: string) => {
    const closes = open.has(phase);
    // What was found may be in the phase that closes.
    showGraph({
      task: closes && hitPhase === phase ? "" : wanted,
      open: closes ? asked.filter((one) => one !== phase) : [...asked, phase],
    });
    setLanded(closes ? null : phase);
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
          onInput={(event) => showGraph({ task: event.currentTarget.value, open: asked })}
        />
        {open.size > 0 && (
          <button type="button" class="chip" onClick={() => showGraph({ task: "", open: [] })}>
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
            selected={marked}
            found={found}
            onSelect={setSelected}
            onOpen={openNode}
          />
        )}
        <SelectedCard node={drawing.nodes.find(({ key }) => key === marked) ?? null} open={openNode} />
        <Legend />
      </div>
    </div>
  );
}

/** The node to show: the found task, the phase that is looked for, or the task to land on in the phase last opened. */
function placeFor(drawing: Drawing | null, found: FoundTask | null, wanted: string, landed: string | null) {
  if (drawing === null) return null;
  const drawnTask = found === null ? undefined : drawing.nodes.find((node) => isTask(node, found.id));
  if (drawnTask !== undefined) return drawnTask.key;
  const text = wanted.trim().toLowerCase();
  const phase = drawing.nodes.find(
    (node) => node.kind === "phase" && text !== "" && node.phase.toLowerCase().includes(text),
  );
  if (phase !== undefined) return phase.key;
  if (landed === null) return null;
  // Always the same task, whatever happens to it: the picture must not move by itself.
  return drawing.nodes.find((node) => node.kind === "task" && node.task.phase === landed)?.key ?? null;
}

const isTask = (node: DrawnNode, id: string) => node.kind === "task" && node.task.id === id;

/** Loads the tasks of open phases, once each, where the server told of phases only. */
function usePhases(graph: Graph | null, open: ReadonlySet<string>, load: (phase: string) => void): void {
  const loaded = useRef(new Set<string>());
  const partly = graph !== null && graph.phases.size > 0;
  useEffect(() => {
    if (!partly) return;
    for (const phase of open) {
      if (loaded.current.has(phase)) continue;
      loaded.current.add(phase);
      load(phase);
    }
  }, [partly, open, load]);
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
