// What the list of tasks shows, as the address has it: a filter can be kept, sent and gone back to.
import { STATUSES, type Status } from "../../api/documents.ts";
import type { TaskFilter } from "../../api/swarm.ts";

export const SORTS = [
  "id",
  "status",
  "phase",
  "priority",
  "created_at",
  "started_at",
  "completed_at",
  "name",
  "attempt",
  "worker",
  "took",
  "cost",
] as const;
export type Sort = (typeof SORTS)[number];

export interface TaskQuery extends TaskFilter {
  /** null is the order of import. */
  readonly sort: Sort | null;
  readonly order: "asc" | "desc";
}

export function readQuery(search: URLSearchParams): TaskQuery {
  const wanted = new Set(search.getAll("status"));
  return {
    status: STATUSES.filter((status) => wanted.has(status)),
    phase: search.get("phase") ?? "",
    q: search.get("q") ?? "",
    sort: SORTS.find((sort) => sort === search.get("sort")) ?? null,
    order: search.get("order") === "desc" ? "desc" : "asc",
  };
}

export function writeQuery(query: TaskQuery): URLSearchParams {
  const search = new URLSearchParams();
  for (const status of query.status) search.append("status", status);
  if (query.phase) search.set("phase", query.phase);
  if (query.q) search.set("q", query.q);
  if (query.sort !== null) search.set("sort", query.sort);
  if (query.order !== "asc") search.set("order", query.order);
  return search;
}

export function toggled(statuses: readonly Status[], status: Status): Status[] {
  return STATUSES.filter((one) => (one === status) !== statuses.includes(one));
}

/** A click on a column: by it, then the other way round, then in the order of import again. */
export function sortedBy(query: TaskQuery, sort: Sort): TaskQuery {
  if (query.sort !== sort) return { ...query, sort, order: "asc" };
  return query.order === "asc" ? { ...query, order: "desc" } : { ...query, sort: null, order: "asc" };
}

export function isFiltered(query: TaskQuery): boolean {
  return query.status.length > 0 || query.phase !== "" || query.q !== "";
}
