// Which costs are shown, as the address has it. Pure.

export const GROUPINGS = [
  ["phase", "by phase"],
  ["role", "by role"],
  ["day", "by day"],
  ["runner", "by runner"],
  ["worker", "by worker"],
] as const;

/** Days; 0 is everything. */
export const PERIODS = [
  [0, "all"],
  [1, "24 h"],
  [7, "7 days"],
  [30, "30 days"],
] as const;

export type Grouping = (typeof GROUPINGS)[number][0];

export interface CostsQuery {
  readonly by: Grouping;
  readonly days: number;
}

export function readCostsQuery(search: URLSearchParams): CostsQuery {
  return {
    by: GROUPINGS.find(([name]) => name === search.get("by"))?.[0] ?? "phase",
    days: PERIODS.find(([days]) => String(days) === search.get("days"))?.[0] ?? 0,
  };
}

export function writeCostsQuery({ by, days }: CostsQuery): URLSearchParams {
  const search = new URLSearchParams();
  if (by !== "phase") search.set("by", by);
  if (days !== 0) search.set("days", String(days));
  return search;
}
