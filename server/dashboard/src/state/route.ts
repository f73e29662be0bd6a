// Where the page is, in the part of the address behind `#`: it can be kept, sent and gone back from.
import { signal } from "@preact/signals";

export interface Route {
  readonly page: string;
  readonly id: string | null;
  readonly query: URLSearchParams;
}

export function parseRoute(hash: string): Route {
  const [path = "", search = ""] = hash.replace(/^#/, "").split("?", 2);
  const [page = "", ...rest] = path.replace(/^\//, "").split("/");
  return {
    page: page === "" ? "overview" : page,
    id: rest.length > 0 ? decode(rest.join("/")) : null,
    query: new URLSearchParams(search),
  };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

export function href(page: string, id: string | null = null, query: URLSearchParams | null = null): string {
  const search = query?.toString() ?? "";
  return `#/${page}${id === null ? "" : `/${encodeURIComponent(id)}`}${search ? `?${search}` : ""}`;
}

export const taskHref = (id: string) => href("task", id);

export function tasksHref(query: Record<string, string | readonly string[]>): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    for (const one of typeof value === "string" ? [value] : value) search.append(name, one);
  }
  return href("tasks", null, search);
}

export const route = signal<Route>(parseRoute(location.hash));

export function go(target: string): void {
  location.hash = target;
}

/** Changes the address without a step in the history: for what is typed letter by letter. */
export function replace(target: string): void {
  history.replaceState(null, "", target);
  route.value = parseRoute(location.hash);
}

export function followAddress(): void {
  window.addEventListener("hashchange", () => {
    route.value = parseRoute(location.hash);
  });
}
