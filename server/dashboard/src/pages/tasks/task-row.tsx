import type { Task } from "../../api/documents.ts";
import { taskHref } from "../../state/route.ts";
import { money } from "../../text/format.ts";
import { attemptShort, priorityWord, why } from "../../text/words.ts";
import { StatusMark } from "../../ui/status-mark.tsx";
import { Line } from "../../ui/text.tsx";
import { Took } from "../../ui/took.tsx";

interface RowProps {
  task: Task;
  index: number;
  active: boolean;
  ticked: boolean;
  tick: (() => void) | null;
  activate: () => void;
}

// The end of a long id stays in sight.
const TAIL = 6;

/** One task in the list. */
export function TaskRow({ task, index, active, ticked, tick, activate }: RowProps) {
  return (
    <div
      role="row"
      id={`row-${index}`}
      class={`trow ${active ? "active" : ""} ${ticked ? "ticked" : ""}`}
      aria-rowindex={index + 2}
      aria-selected={active}
      data-task={task.id}
      onClick={activate}
    >
      {tick !== null && (
        <span role="gridcell" class="c-tick">
          <input
            type="checkbox"
            aria-label={`Tick ${task.id}`}
            checked={ticked}
            onChange={tick}
            tabIndex={-1}
          />
        </span>
      )}
      <span role="gridcell" class="c-id cut">
        <a class="mono strong cut-middle" href={taskHref(task.id)} tabIndex={active ? 0 : -1} title={task.id}>
          <span class="cut">{task.id.slice(0, -TAIL)}</span>
          <span>{task.id.slice(-TAIL)}</span>
        </a>
      </span>
      <span role="gridcell" class="c-status">
        <StatusMark status={task.status} rehearsed={task.rehearsed} />
      </span>
      <span role="gridcell" class="c-name">
        <Line text={task.name === task.id ? null : task.name} />{" "}
        <Line class="dim small reason" text={why(task)} />
      </span>
      <span role="gridcell" class="c-phase cut dim">
        <Line text={task.phase} />
      </span>
      <span role="gridcell" class="c-priority dim">
        {priorityWord(task.priority)}
      </span>
      <span role="gridcell" class="c-attempt right">
        {attemptShort(task)}
      </span>
      <span role="gridcell" class="c-worker cut dim">
        <Line text={task.worker} />
      </span>
      <span role="gridcell" class="c-took right">
        <Took task={task} />
      </span>
      <span role="gridcell" class="c-spent right">
        {money(task.usage.cost)}
      </span>
    </div>
  );
}
