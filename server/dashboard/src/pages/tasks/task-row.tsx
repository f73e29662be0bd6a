import type { Task } from "../../api/documents.ts";
import { taskHref } from "../../state/route.ts";
import { between, money, span } from "../../text/format.ts";
import { attemptShort, priorityWord, RUNNING, why } from "../../text/words.ts";
import { Age } from "../../ui/age.tsx";
import { StatusMark } from "../../ui/status-mark.tsx";
import { Line } from "../../ui/text.tsx";

interface RowProps {
  task: Task;
  index: number;
  active: boolean;
  ticked: boolean;
  tick: (() => void) | null;
  activate: () => void;
}

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
        <a class="mono strong" href={taskHref(task.id)} tabIndex={-1}>
          {task.id}
        </a>
      </span>
      <span role="gridcell" class="c-status">
        <StatusMark status={task.status} rehearsed={task.rehearsed} />
      </span>
      <span role="gridcell" class="c-name cut">
        <Line text={task.name === task.id ? null : task.name} /> <Line class="dim small" text={why(task)} />
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
        {RUNNING.has(task.status) ? (
          <Age from={task.started_at} />
        ) : (
          span(between(task.started_at, task.completed_at))
        )}
      </span>
      <span role="gridcell" class="c-spent right">
        {money(task.usage.cost)}
      </span>
    </div>
  );
}
