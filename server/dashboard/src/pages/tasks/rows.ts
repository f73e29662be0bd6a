// The rows of a list that is loaded page by page, and what a live change does to them. Pure.
import type { Task } from "../../api/documents.ts";
import type { Sort, TaskQuery } from "./query.ts";

/** The rows with the changed tasks in the place of the old; the same array if none is among them. */
export function patched(rows: readonly Task[], changed: readonly Task[]): readonly Task[] {
  const fresh = new Map(changed.map((task) => [task.id, task]));
  if (!rows.some((row) => fresh.has(row.id))) return rows;
  return rows.map((row) => fresh.get(row.id) ?? row);
}

/** Both pages in their order, each task once: a row may move between pages while they are read. */
export function appended(rows: readonly Task[], more: readonly Task[]): Task[] {
  const known = new Set(rows.map((row) => row.id));
  return [...rows, ...more.filter((row) => !known.has(row.id))];
}

// What a task is sorted by for as long as it lives; by these nothing moves that is there.
const LASTING: ReadonlySet<Sort> = new Set<Sort>(["id", "name", "phase", "priority", "created_at"]);

function placeOf(task: Task, sort: Sort): unknown {
  if (sort === "took") return task.took_s;
  return sort === "cost" ? task.usage.cost : task[sort];
}

/**
 * Whether a change may move a task into the list, out of it, or to another place in it. Tasks that are new to the
 * swarm are not told by this: a change of a task that is not loaded says only that it was not loaded.
 */
export function mayMove(rows: readonly Task[], changed: readonly Task[], query: TaskQuery): boolean {
  const sort = query.sort === null || LASTING.has(query.sort) ? null : query.sort;
  if (query.status.length === 0 && sort === null) return false;
  const known = new Map(rows.map((row) => [row.id, row]));
  return changed.some((task) => {
    const before = known.get(task.id);
    const wanted = query.status.length === 0 || query.status.includes(task.status);
    if (before === undefined) return wanted;
    return !wanted || (sort !== null && placeOf(before, sort) !== placeOf(task, sort));
  });
}
