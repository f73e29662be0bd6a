// What of the graph is shown, as the address has it.
import { href, replace } from "../../state/route.ts";

export interface GraphQuery {
  /** What is looked for: an id, or a part of an id or a name. */
  readonly task: string;
  readonly open: readonly string[];
}

export function readGraphQuery(search: URLSearchParams): GraphQuery {
  return { task: search.get("task") ?? "", open: [...new Set(search.getAll("open"))] };
}

/** Changes the address, without a step in the history. */
export function showGraph({ task, open }: GraphQuery): void {
  const search = new URLSearchParams();
  if (task !== "") search.set("task", task);
  for (const phase of open) search.append("open", phase);
  replace(href("graph", null, search));
}
