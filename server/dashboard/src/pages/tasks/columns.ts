// The columns of the list of tasks, each with what the server sorts it by.
import type { Sort } from "./query.ts";

export interface Column {
  readonly name: string;
  readonly title: string;
  readonly sort: Sort;
  readonly right?: boolean;
}

export const COLUMNS: readonly Column[] = [
  { name: "id", title: "Task", sort: "id" },
  { name: "status", title: "Status", sort: "status" },
  { name: "name", title: "Name / reason", sort: "name" },
  { name: "phase", title: "Phase", sort: "phase" },
  { name: "priority", title: "Priority", sort: "priority" },
  { name: "attempt", title: "Attempt", sort: "attempt", right: true },
  { name: "worker", title: "Worker", sort: "worker" },
  { name: "took", title: "Took", sort: "took", right: true },
  { name: "spent", title: "Spent", sort: "cost", right: true },
];
