// The graph as the server tells it, with live statuses put in. Pure.
import type { Counts, Task } from "../api/documents.ts";
import type { GraphAnswer, GraphNode } from "../api/swarm.ts";
import { type Graph, type GraphTask, NO_PHASE } from "./collapse.ts";

export const EMPTY_GRAPH: Graph = { tasks: new Map(), edges: [], phases: new Map(), phaseEdges: [] };

const phaseOf = (phase: string | null) => phase ?? NO_PHASE;

function taskOf(node: GraphNode): [string, GraphTask] {
  return [node.id, { id: node.id, name: node.name, phase: phaseOf(node.phase), status: node.status }];
}

export function graphOf(answer: GraphAnswer): Graph {
  if (answer.nodes !== undefined) {
    return { ...EMPTY_GRAPH, tasks: new Map(answer.nodes.map(taskOf)), edges: answer.edges };
  }
  return {
    ...EMPTY_GRAPH,
    phases: new Map(answer.phases.map(({ phase, counts }): [string, Counts] => [phaseOf(phase), counts])),
    phaseEdges: answer.edges.map(([from, to, count]) => [phaseOf(from), phaseOf(to), count] as const),
  };
}

/** The graph as it was told anew; what was loaded of single phases stays. */
export function renewed(known: Graph | null, answer: GraphAnswer): Graph {
  const fresh = graphOf(answer);
  if (known === null || known.phases.size === 0 || fresh.phases.size === 0) return fresh;
  return { ...fresh, tasks: known.tasks, edges: known.edges };
}

/** The graph with the tasks of one more phase. */
export function withPhase(graph: Graph, answer: GraphAnswer): Graph {
  if (answer.nodes === undefined) return graph;
  const known = new Set(graph.edges.map(([from, to]) => `${from}\n${to}`));
  return {
    ...graph,
    tasks: new Map([...graph.tasks, ...answer.nodes.map(taskOf)]),
    edges: [...graph.edges, ...answer.edges.filter(([from, to]) => !known.has(`${from}\n${to}`))],
  };
}

/** The graph with the tasks' new statuses; the same graph if none of them is in it. */
export function withStatuses(graph: Graph, changed: readonly Task[]): Graph {
  const moved = changed.filter((task) => {
    const known = graph.tasks.get(task.id);
    return known !== undefined && known.status !== task.status;
  });
  if (moved.length === 0) return graph;
  const tasks = new Map(graph.tasks);
  for (const task of moved) {
    const known = tasks.get(task.id);
    if (known !== undefined) tasks.set(task.id, { ...known, status: task.status });
  }
  return { ...graph, tasks };
}

/** Whether the changes tell of tasks that a whole graph lacks, so that it must be loaded anew. */
export function lacks(graph: Graph, changed: readonly Task[]): boolean {
  return graph.phases.size === 0 && changed.some((task) => !graph.tasks.has(task.id));
}
