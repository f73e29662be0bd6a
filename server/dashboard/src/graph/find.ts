// The task that a search means: among all that are loaded, not only those that are drawn.
import type { Graph, GraphTask } from "./collapse.ts";

/** The task of that id, else the first with the text in its id or name; null if none is loaded. */
export function findTask(graph: Graph, wanted: string): GraphTask | null {
  const text = wanted.trim().toLowerCase();
  if (text === "") return null;
  let first: GraphTask | null = null;
  for (const task of graph.tasks.values()) {
    if (task.id.toLowerCase() === text) return task;
    if (first === null && `${task.id} ${task.name}`.toLowerCase().includes(text)) first = task;
  }
  return first;
}
