import { attention } from "../live/store.ts";
import { href, route } from "../state/route.ts";

const PAGES = [
  ["overview", "Overview"],
  ["tasks", "Tasks"],
  ["graph", "Graph"],
  ["timeline", "Timeline"],
  ["workers", "Workers"],
] as const;

export function Nav() {
  const { page } = route.value;
  const here = page === "task" ? "tasks" : page;
  const failed = attention.value.size;
  return (
    <nav class="nav" aria-label="Pages">
      {PAGES.map(([name, title]) => (
        <a key={name} href={href(name)} aria-current={here === name ? "page" : undefined}>
          {title}
          {name === "overview" && failed > 0 && (
            <span class="badge" title="failed for good">
              <span class="out-of-sight">failed: </span>
              {failed >= 50 ? "50+" : failed}
            </span>
          )}
        </a>
      ))}
    </nav>
  );
}
