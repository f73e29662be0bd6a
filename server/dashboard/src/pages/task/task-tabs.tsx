import { useEffect } from "preact/hooks";
import type { TaskDetail } from "../../api/documents.ts";
import { isChanges, writeChangesQuery } from "../../changes/query.ts";
import { bind } from "../../state/keys.ts";
import { go, href, route, taskHref } from "../../state/route.ts";
import { count } from "../../text/format.ts";

/** The parts of the page of a task that works in a clone; any other task has one part only. */
export function TaskTabs({ task }: { task: TaskDetail }) {
  const changed = task.attempts.filter(({ change }) => change !== null);
  const here = isChanges(route.value.query);
  const shown = here || changed.length > 0 || task.workspace === "clone";
  const changes = href("task", task.id, writeChangesQuery());
  const work = taskHref(task.id);
  useEffect(() => {
    if (!shown) return undefined;
    return bind([{ keys: "c", what: "Changes, and back", run: () => go(here ? work : changes) }]);
  }, [shown, here, work, changes]);
  if (!shown) return null;
  const files = changed.at(-1)?.change?.file_count;
  return (
    <nav class="tabs" aria-label="Task">
      <a href={work} aria-current={here ? undefined : "page"}>
        Work
      </a>
      <a href={changes} aria-current={here ? "page" : undefined}>
        Changes{files !== undefined && <span class="dim small"> {count(files)}</span>}
      </a>
    </nav>
  );
}
