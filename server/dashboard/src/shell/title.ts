// The title of the window tells from among many tabs that something is the matter.
import { effect } from "@preact/signals";
import { link, swarm } from "../live/store.ts";
import { needCount } from "../pages/overview/needs.ts";

const NAME = "Amplifier Swarm";

export function titleOf(mode: string | undefined, lost: boolean, needs: number): string {
  if (lost) return `○ offline · ${NAME}`;
  if (mode === "stopped") return `■ STOPPED · ${NAME}`;
  return needs > 0 ? `(${needs}) ${NAME}` : NAME;
}

export function followTitle(): void {
  effect(() => {
    const now = swarm.value;
    document.title = titleOf(now.status?.mode, link.value.state === "lost", needCount(now, Date.now()));
  });
}
