import { swarm } from "../live/store.ts";
import { needCount } from "../pages/overview/needs.ts";
import { nowMs } from "../state/clock.ts";
import { href, route } from "../state/route.ts";

const PAGES = [
  ["overview", "Overview"],
  ["tasks", "Tasks"],
  ["graph", "Graph"],
  ["timeline", "Timeline"],
  ["costs", "Costs"],
  ["workers", "Workers"],
] as const;

export function Nav() {
  const { page } = route.value;
  const here = page === "task" ? "tasks" : page;
  const open = needCount(swarm.value, nowMs.value);
  return (
    <nav class="nav" aria-label="Pages">
      {PAGES.map(([name, title]) => (
        <a key={name} href={href(name)} aria-current={here === name ? "page" : undefined}>
          {title}
          {name === "overview" && open > 0 && (
            <span class="badge" title="need attention">
              {open > 99 ? "99+" : open}
              <span class="out-of-sight"> need attention</span>
            </span>
          )}
        </a>
      ))}
    </nav>
  );
}
