// What a node depends on and what depends on it, all the way.
import type { DrawnEdge } from "./collapse.ts";

export function related(key: string, edges: readonly DrawnEdge[]): Set<string> {
  const up = new Map<string, string[]>();
  const down = new Map<string, string[]>();
  for (const { from, to } of edges) {
    up.set(to, [...(up.get(to) ?? []), from]);
    down.set(from, [...(down.get(from) ?? []), to]);
  }
  const found = new Set([key]);
  for (const side of [up, down]) {
    const open = [key];
    for (let at = open.pop(); at !== undefined; at = open.pop()) {
      for (const next of side.get(at) ?? []) {
        if (found.has(next)) continue;
        found.add(next);
        open.push(next);
      }
    }
  }
  return found;
}
