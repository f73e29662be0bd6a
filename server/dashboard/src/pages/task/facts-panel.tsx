import type { ComponentChildren } from "preact";
import type { TaskDetail } from "../../api/documents.ts";
import { nowMs } from "../../state/clock.ts";
import { href, taskHref, tasksHref } from "../../state/route.ts";
import { between, count, hours, moment, money, since, span, sumOfCosts } from "../../text/format.ts";
import { oneLine } from "../../text/visible.ts";
import { plain, priorityWord } from "../../text/words.ts";
import { Panel } from "../../ui/panel.tsx";
import { Prose } from "../../ui/text.tsx";
import { Took } from "../../ui/took.tsx";

/** What is known of a task at a glance. */
export function FactsPanel({ task }: { task: TaskDetail }) {
  const { usage } = task;
  return (
    <Panel
      title="Details"
      aside={<a href={href("graph", null, new URLSearchParams({ task: task.id }))}>In the graph</a>}
    >
      <dl class="facts">
        <Fact name="Spent">
          {money(usage.cost)}{" "}
          <span class="dim small">
            {count(usage.input_tokens)} in, {count(usage.output_tokens)} out
          </span>
          {task.attempts.length > 1 && <div class="dim small">{lastSpent(task)} in the last attempt</div>}
        </Fact>
        <Fact name="Took">
          <Took task={task} />
          {task.attempts.length > 1 && <div class="dim small">{lastTook(task)} the last attempt</div>}
        </Fact>
        <Fact name="Findings">{task.course.length > 0 ? task.course.join(" → ") : null}</Fact>
        <Fact name="Phase">
          {task.phase !== null ? <a href={tasksHref({ phase: task.phase })}>{oneLine(task.phase)}</a> : null}
        </Fact>
        <Fact name="Type">{task.type === null ? null : oneLine(task.type)}</Fact>
        <Fact name="Priority">{priorityWord(task.priority)}</Fact>
        <Fact name="Estimated">{task.estimated_hours === null ? null : hours(task.estimated_hours)}</Fact>
        <Fact name="Depends on">{task.dependencies.length > 0 ? <Ids task={task} /> : null}</Fact>
        <Fact name="Added">{moment(task.created_at)}</Fact>
        <Fact name="Began">{task.started_at === null ? null : moment(task.started_at)}</Fact>
        <Fact name="Ended">{task.completed_at === null ? null : moment(task.completed_at)}</Fact>
        <Fact name="Failure">{task.failure_class === null ? null : plain(task.failure_class)}</Fact>
      </dl>
      {task.last_error !== null && task.status !== "failed" && (
        <Prose class="bad small" text={task.last_error} />
      )}
    </Panel>
  );
}

function lastSpent(task: TaskDetail): string {
  return money(sumOfCosts(task.attempts.at(-1)?.sessions.map(({ usage }) => usage.cost) ?? []));
}

function lastTook(task: TaskDetail): string {
  const last = task.attempts.at(-1);
  if (last === undefined) return span(null);
  return last.ended_at === null
    ? since(last.started_at, nowMs.value)
    : span(between(last.started_at, last.ended_at));
}

function Fact({ name, children }: { name: string; children: ComponentChildren }) {
  if (children === null) return null;
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

function Ids({ task }: { task: TaskDetail }) {
  const waits = new Set(task.blocked_by);
  return (
    <>
      {task.dependencies.map((id) => (
        <a
          key={id}
          class="mono receipt-task"
          href={taskHref(id)}
          title={waits.has(id) ? "not completed yet" : "completed"}
        >
          {waits.has(id) ? "◌ " : "✓ "}
          {id}
        </a>
      ))}
    </>
  );
}
