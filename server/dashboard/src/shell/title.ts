// The title of the window tells from among many tabs that something is the matter.
import { effect } from "@preact/signals";
import { link, swarm } from "../live/store.ts";
import { needCount } from "../pages/overview/needs.ts";
import { type Route, route } from "../state/route.ts";
import { oneLine } from "../text/visible.ts";

const NAME = "Amplifier Swarm";

/** The page that the address names, for people; empty for the overview. */
export function pageName({ page, id }: Pick<Route, "page" | "id">): string {
  if (page === "overview") return "";
  return id === null ? page.charAt(0).toUpperCase() + page.slice(1) : oneLine(id, 60);
}

export function titleOf(mode: string | undefined, lost: boolean, needs: number, page = ""): string {
  const name = page === "" ? NAME : `${page} · ${NAME}`;
  if (lost) return `○ offline · ${name}`;
  if (mode === "stopped") return `■ STOPPED · ${name}`;
  return needs > 0 ? `(${needs}) ${name}` : name;
}

export function followTitle(): void {
  effect(() => {
    const now = swarm.value;
    const needs = needCount(now, Date.now());
    document.title = titleOf(now.status?.mode, link.value.state === "lost", needs, pageName(route.value));
  });
}
