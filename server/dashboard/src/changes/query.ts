// What the tab of changes shows, as the address has it: it can be kept, sent and gone back to.

export interface ChangesQuery {
  /** 0 is the latest attempt with a change. */
  readonly attempt: number;
  readonly split: boolean;
  /** The path of the file that is looked at. */
  readonly file: string;
  /** Only files with this text in their path. */
  readonly q: string;
}

export const CHANGES = "changes";

export function isChanges(search: URLSearchParams): boolean {
  return search.get("tab") === CHANGES;
}

export function readChangesQuery(search: URLSearchParams): ChangesQuery {
  const attempt = search.get("attempt") ?? "";
  return {
    attempt: /^\d{1,9}$/.test(attempt) ? Number(attempt) : 0,
    split: search.get("view") === "split",
    file: search.get("file") ?? "",
    q: search.get("q") ?? "",
  };
}

export function writeChangesQuery(query: Partial<ChangesQuery> = {}): URLSearchParams {
  const search = new URLSearchParams({ tab: CHANGES });
  if (query.attempt) search.set("attempt", String(query.attempt));
  if (query.split) search.set("view", "split");
  if (query.file) search.set("file", query.file);
  if (query.q) search.set("q", query.q);
  return search;
}
