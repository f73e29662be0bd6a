// The columns of the list of tasks; those without a sort can't be sorted by the server.
import type { Sort } from "./query.ts";

export interface Column {
  readonly name: string;
  readonly title: string;
  readonly sort: Sort | null;
  readonly right?: boolean;
}

export const COLUMNS: readonly Column[] = [
  { name: "id", title: "Task", sort: "id" },
  { name: "status", title: "Status", sort: "status" },
  { name: "name", title: "Name, and why it is where it is", sort: null },
  { name: "phase", title: "Phase", sort: "phase" },
  { name: "priority", title: "Priority", sort: "priority" },
  { name: "attempt", title: "Attempt", sort: null, right: true },
  { name: "worker", title: "Worker", sort: null },
  { name: "took", title: "Took", sort: "started_at", right: true },
  { name: "spent", title: "Spent", sort: null, right: true },
];
