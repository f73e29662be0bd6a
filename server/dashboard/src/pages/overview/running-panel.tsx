import type { Task } from "../../api/documents.ts";
import { running } from "../../live/store.ts";
import { taskHref, tasksHref } from "../../state/route.ts";
import { money, short } from "../../text/format.ts";
import { roleOf } from "../../text/words.ts";
import { Age } from "../../ui/age.tsx";
import { Panel } from "../../ui/panel.tsx";
import { ScrollX } from "../../ui/scroll-x.tsx";
import { Empty } from "../../ui/states.tsx";
import { StatusMark } from "../../ui/status-mark.tsx";
import { Line } from "../../ui/text.tsx";

const SHOWN = 50;

/** The sessions that run now, the oldest first: what takes long stands on top. */
export function RunningPanel() {
  const tasks = [...running.value.values()].sort(byAge);
  const more = tasks.length - SHOWN;
  return (
    <Panel title="Running sessions" aside={<span class="dim">{tasks.length}</span>} class="running">
      {tasks.length === 0 ? (
        <Empty title="No session runs." />
      ) : (
        <ScrollX label="Running sessions, table">
          <table>
            <thead>
              <tr>
                <th>Task</th>
                <th>Status</th>
                <th class="right">Age</th>
                <th class="right">Spent</th>
                <th>Worker</th>
              </tr>
            </thead>
            <tbody>
              {tasks.slice(0, SHOWN).map((task) => (
                <Row key={task.id} task={task} />
              ))}
            </tbody>
          </table>
        </ScrollX>
      )}
      {more > 0 && (
        <p class="panel-more">
          <a href={tasksHref({ status: ["claimed", "in_progress", "killing"] })}>{more} more</a>
        </p>
      )}
    </Panel>
  );
}

function Row({ task }: { task: Task }) {
  const role = roleOf(task);
  const tokens = task.usage.input_tokens + task.usage.output_tokens;
  return (
    <tr data-task={task.id}>
      <td class="task-cell">
        <a class="mono strong" href={taskHref(task.id)}>
          {task.id}
        </a>
        <Line class="dim small block" text={task.name === task.id ? null : task.name} />
      </td>
      <td>
        <StatusMark status={task.status} />
        <div class="dim small nowrap">
          {[role ?? "", task.attempt > 1 ? `attempt ${task.attempt}` : ""]
            .filter((part) => part !== "")
            .join(", ")}
        </div>
      </td>
      <td class="right nowrap">
        <Age from={task.started_at} />
      </td>
      <td class="right nowrap">
        {money(task.usage.cost)}
        {tokens > 0 && <div class="dim small">{short(tokens)} tok</div>}
      </td>
      <td>
        <Line text={task.worker} />
      </td>
    </tr>
  );
}

function byAge(one: Task, other: Task): number {
  const begin = (task: Task) =>
    task.started_at === null ? Number.POSITIVE_INFINITY : Date.parse(task.started_at);
  const [left, right] = [begin(one), begin(other)];
  return left === right ? one.id.localeCompare(other.id) : left - right;
}
