import { useEffect, useRef, useState } from "preact/hooks";
import { VirtualList } from "../../list/virtual-list.tsx";
import { type Rows, scrollToRow } from "../../list/window.ts";
import { bind } from "../../state/keys.ts";
import { isNarrow } from "../../state/media.ts";
import { go, taskHref } from "../../state/route.ts";
import { operates } from "../../state/session.ts";
import { Empty, Loading } from "../../ui/states.tsx";
import { GridHead } from "./grid-head.tsx";
import { isFiltered, type TaskQuery } from "./query.ts";
import type { TickedRows } from "./selection.ts";
import type { TaskList } from "./task-list.ts";
import { TaskRow } from "./task-row.tsx";

interface TaskGridProps {
  list: TaskList;
  query: TaskQuery;
  ask: (query: TaskQuery) => void;
  ticked: TickedRows;
}

const ROW_PX = 34;
const CARD_PX = 60;

/** The tasks themselves: a virtual grid with a row that the keys move. */
export function TaskGrid({ list, query, ask, ticked }: TaskGridProps) {
  const scroller = useRef<HTMLDivElement>(null);
  const [active, setActive] = useState(0);
  const rowPx = isNarrow.value ? CARD_PX : ROW_PX;
  const rows = list.rows.value;
  const total = list.total.value;
  useGridKeys(list, ticked, rowPx, scroller, setActive);
  useEffect(() => {
    setActive(0);
    scroller.current?.scrollTo({ top: 0 });
  }, [query]);
  const wanted = useRef((drawn: Rows) => list.want(drawn.end));
  if (total === null) return <Loading what="tasks" />;
  if (total === 0) return <NoTasks query={query} />;
  const ticks = operates.value;
  const draw = (index: number) => {
    const task = rows[index];
    if (task === undefined) return <div key={index} class="trow ghost" role="row" aria-hidden="true" />;
    return (
      <TaskRow
        key={task.id}
        task={task}
        index={index}
        active={index === active}
        ticked={ticked.ids.value.has(task.id)}
        tick={ticks ? () => ticked.toggle(task.id) : null}
        activate={() => setActive(index)}
      />
    );
  };
  return (
    <div
      class={`grid ${ticks ? "with-ticks" : ""}`}
      role="grid"
      aria-label="Tasks"
      aria-rowcount={total + 1}
      aria-activedescendant={`row-${active}`}
      tabIndex={0}
    >
      <GridHead query={query} ask={ask} ticks={ticks} />
      <VirtualList
        class="grid-body"
        total={Math.max(total, rows.length)}
        rowPx={rowPx}
        draw={draw}
        onRows={wanted.current}
        scroller={scroller}
        attributes={{ role: "rowgroup", tabIndex: -1 }}
      />
    </div>
  );
}

type SetActive = (change: (row: number) => number) => void;

function useGridKeys(
  list: TaskList,
  ticked: TickedRows,
  rowPx: number,
  scroller: { current: HTMLDivElement | null },
  setActive: SetActive,
): void {
  useEffect(() => {
    const move = (by: number) =>
      setActive((row) => {
        const next = Math.max(0, Math.min(row + by, list.rows.value.length - 1));
        const view = scroller.current;
        if (view !== null) view.scrollTop = scrollToRow(next, view.scrollTop, view.clientHeight, rowPx);
        return next;
      });
    // The state of a component is only readable by setting it to what it is.
    const here = (use: (id: string) => void) =>
      setActive((row) => {
        const task = list.rows.value[row];
        if (task !== undefined) use(task.id);
        return row;
      });
    return bind([
      { keys: "j", what: "Next row", run: () => move(1) },
      { keys: "k", what: "Row before", run: () => move(-1) },
      { keys: "ArrowDown", what: "Next row", run: () => move(1) },
      { keys: "ArrowUp", what: "Row before", run: () => move(-1) },
      { keys: "Enter", what: "Open the row", run: () => here((id) => go(taskHref(id))) },
      { keys: "x", what: "Tick the row", run: () => here((id) => operates.value && ticked.toggle(id)) },
      { keys: "Escape", what: "Untick all", run: () => ticked.clear() },
    ]);
  }, [list, ticked, rowPx, scroller, setActive]);
}

function NoTasks({ query }: { query: TaskQuery }) {
  return isFiltered(query) ? (
    <Empty title="No task is like that.">Change the filter, or clear it.</Empty>
  ) : (
    <Empty title="There are no tasks yet.">Add some with `swarmctl import FILE`.</Empty>
  );
}
