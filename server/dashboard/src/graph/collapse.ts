// What of the graph is drawn: tasks as they are, or whole phases as one node where there are too many. Pure.
import type { Counts, Status } from "../api/documents.ts";

/** Above this a graph is no picture any more but a carpet. */
export const COLLAPSE_ABOVE = 400;
export const NO_PHASE = "";

export interface GraphTask {
  readonly id: string;
  readonly name: string;
  readonly phase: string;
  readonly status: Status;
}

export interface Graph {
  readonly tasks: ReadonlyMap<string, GraphTask>;
  /** From a dependency to what depends on it. */
  readonly edges: readonly (readonly [string, string])[];
  /** The counts of phases whose tasks are not here; they come collapsed. */
  readonly phases: ReadonlyMap<string, Counts>;
  readonly phaseEdges: readonly (readonly [string, string, number])[];
}

export type DrawnNode =
  | { readonly key: string; readonly kind: "task"; readonly task: GraphTask }
  | {
      readonly key: string;
      readonly kind: "phase";
      readonly phase: string;
      readonly counts: Counts;
      readonly total: number;
    };

export interface DrawnEdge {
  readonly from: string;
  readonly to: string;
  readonly count: number;
}

export interface Drawing {
  readonly nodes: readonly DrawnNode[];
  readonly edges: readonly DrawnEdge[];
}

const phaseKey = (phase: string) => `phase ${phase}`;
const taskKey = (id: string) => `task ${id}`;

/** Tasks of open phases one by one, each other phase as one node, with edges between whatever is drawn. */
export function drawn(graph: Graph, open: ReadonlySet<string>): Drawing {
  const groups = phasesOf(graph);
  const collapses = graph.phases.size > 0 || graph.tasks.size > COLLAPSE_ABOVE;
  const isOpen = (phase: string) => !collapses || open.has(phase);
  const nodes: DrawnNode[] = [];
  for (const [phase, group] of groups) {
    if (isOpen(phase) && group.tasks.length > 0) {
      for (const task of group.tasks) nodes.push({ key: taskKey(task.id), kind: "task", task });
    } else {
      const total = Object.values(group.counts).reduce((sum, found) => sum + (found ?? 0), 0);
      nodes.push({ key: phaseKey(phase), kind: "phase", phase, counts: group.counts, total });
    }
  }
  return { nodes, edges: edgesBetween(graph, nodes) };
}

interface Group {
  readonly tasks: GraphTask[];
  counts: Counts;
}

function phasesOf(graph: Graph): Map<string, Group> {
  const groups = new Map<string, Group>();
  for (const [phase, counts] of graph.phases) groups.set(phase, { tasks: [], counts });
  for (const task of graph.tasks.values()) {
    const group = groups.get(task.phase) ?? { tasks: [], counts: {} };
    group.tasks.push(task);
    groups.set(task.phase, group);
  }
  for (const group of groups.values()) {
    if (group.tasks.length > 0) group.counts = countsOf(group.tasks);
  }
  return groups;
}

export function countsOf(tasks: Iterable<GraphTask>): Counts {
  const counts: Counts = {};
  for (const task of tasks) counts[task.status] = (counts[task.status] ?? 0) + 1;
  return counts;
}

function edgesBetween(graph: Graph, nodes: readonly DrawnNode[]): DrawnEdge[] {
  const drawnKeys = new Set(nodes.map((node) => node.key));
  const found = new Map<string, DrawnEdge>();
  const add = (from: string, to: string, count: number) => {
    if (from === to || !drawnKeys.has(from) || !drawnKeys.has(to)) return;
    const key = `${from}\n${to}`;
    found.set(key, { from, to, count: (found.get(key)?.count ?? 0) + count });
  };
  const keyOf = (id: string) => {
    const task = graph.tasks.get(id);
    if (task === undefined) return "";
    return drawnKeys.has(taskKey(id)) ? taskKey(id) : phaseKey(task.phase);
  };
  for (const [from, to] of graph.edges) add(keyOf(from), keyOf(to), 1);
  for (const [from, to, count] of graph.phaseEdges) add(phaseKey(from), phaseKey(to), count);
  return [...found.values()];
}
