// Workers in the order in which someone on call wants to see them.
import type { Worker } from "../../api/documents.ts";

const RANK: Record<Worker["status"], number> = { suspect: 0, draining: 1, online: 2, gone: 3 };

/** Those in trouble first, then by name; those that are gone and hold nothing are left out (P24). */
export function inOrder(workers: readonly Worker[]): Worker[] {
  return workers
    .filter((worker) => worker.status !== "gone" || worker.running > 0)
    .sort(
      (one, other) =>
        (RANK[one.status] ?? 0) - (RANK[other.status] ?? 0) ||
        one.name.localeCompare(other.name, "en", { numeric: true }),
    );
}
