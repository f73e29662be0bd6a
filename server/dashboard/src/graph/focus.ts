// Where to look first in a graph that is too large for the window: where something happens.
import type { DrawnNode } from "./collapse.ts";

const INTEREST = ["failed", "killing", "in_progress", "claimed", "not_started"] as const;

/** The node of most interest; null if nothing happens anywhere. */
export function focusOf(nodes: readonly DrawnNode[]): string | null {
  for (const status of INTEREST) {
    const found = nodes.find((node) =>
      node.kind === "task" ? node.task.status === status : (node.counts[status] ?? 0) > 0,
    );
    if (found !== undefined) return found.key;
  }
  return null;
}
