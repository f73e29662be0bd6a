import { useEffect, useMemo, useState } from "preact/hooks";
import { onStep } from "../../live/store.ts";
import { go, href, replace, route } from "../../state/route.ts";
import { operates } from "../../state/session.ts";
import { plural } from "../../text/format.ts";
import { Failure } from "../../ui/states.tsx";
import { BulkBar } from "./bulk-bar.tsx";
import { FilterBar } from "./filter-bar.tsx";
import { isFiltered, readQuery, type TaskQuery, writeQuery } from "./query.ts";
import { TickedRows } from "./selection.ts";
import { TaskGrid } from "./task-grid.tsx";
import { TaskList } from "./task-list.ts";

/** All tasks: found, sorted, ticked, retried, killed. */
export function TasksPage() {
  const search = route.value.query.toString();
  const query = useMemo(() => readQuery(new URLSearchParams(search)), [search]);
  const [list] = useState(() => new TaskList(query));
  const [ticked] = useState(() => new TickedRows());
  useEffect(() => list.show(query), [list, query]);
  useEffect(() => onStep((step) => list.step(step)), [list]);
  useEffect(() => () => list.close(), [list]);
  useEffect(() => {
    if (route.value.query.has("find")) document.querySelector<HTMLInputElement>("[data-search]")?.focus();
  }, []);

  const ask = (next: TaskQuery, typed = false) => {
    ticked.clear();
    (typed ? replace : go)(href("tasks", null, writeQuery(next)));
  };
  const total = list.total.value;
  return (
    <div class="page tasks">
      <div class="tasks-head">
        <h1>Tasks</h1>
        <span class="dim" data-total={total ?? ""}>
          {total === null ? "" : `${plural(total, "task")} ${isFiltered(query) ? "found" : "in all"}`}
        </span>
        {list.stale.value && (
          <button type="button" class="chip" onClick={() => list.reload()}>
            The list has changed: refresh
          </button>
        )}
      </div>
      <FilterBar query={query} ask={ask} phases={list.rows} />
      {operates.value && (
        <BulkBar query={query} total={total ?? 0} ticked={ticked} done={() => list.reload()} />
      )}
      {list.error.value !== null && list.rows.value.length === 0 ? (
        <Failure error={list.error.value} retry={() => list.reload()} />
      ) : (
        <TaskGrid list={list} query={query} ask={ask} ticked={ticked} />
      )}
    </div>
  );
}
