import type { Attempt, Check, TaskDetail } from "../../api/documents.ts";
import { api } from "../../api/swarm.ts";
import { writeChangesQuery } from "../../changes/query.ts";
import { href } from "../../state/route.ts";
import { operates } from "../../state/session.ts";
import { plural } from "../../text/format.ts";
import { oneLine } from "../../text/visible.ts";
import { plain } from "../../text/words.ts";
import { Panel } from "../../ui/panel.tsx";
import { Prose } from "../../ui/text.tsx";
import { useOrder } from "./use-order.ts";

/** Why a task failed for good, and what a person can do next. */
export function FailedPanel({ task, reload }: { task: TaskDetail; reload: () => void }) {
  if (task.status !== "failed") return null;
  const last = task.attempts.at(-1) ?? null;
  return (
    <Panel
      title="Why it failed"
      class="failed-panel"
      aside={<span class="dim small">{reasonWords(task)}</span>}
    >
      <Prose class="bad" text={task.last_error ?? "Its attempt gave no reason; its log may."} />
      {last !== null && <Evidence attempt={last} />}
      <NextSteps task={task} last={last} reload={reload} />
    </Panel>
  );
}

function reasonWords({ failure_class, attempts }: TaskDetail): string {
  const times = `after ${plural(attempts.length, "attempt")}`;
  return failure_class === null ? times : `${plain(failure_class)}, ${times}`;
}

/** The checks that failed, and how much the validator found. */
function Evidence({ attempt }: { attempt: Attempt }) {
  const red = attempt.checks.filter(({ exit_code }) => exit_code !== 0);
  return (
    <>
      {red.map((check, index) => (
        <RedCheck key={index} check={check} />
      ))}
      {attempt.findings.length > 0 && (
        <p class="small">
          The validator has {plural(attempt.findings.length, "finding")}, the first:{" "}
          {oneLine(attempt.findings[0]?.issue ?? "", 300)}
        </p>
      )}
    </>
  );
}

function RedCheck({ check }: { check: Check }) {
  return (
    <div class="small">
      <p>
        Check <code>{oneLine(check.command)}</code> exited with {check.exit_code}
        {check.output_tail ? ", and printed:" : " and printed nothing."}
      </p>
      {check.output_tail && <Prose class="output" text={check.output_tail} />}
    </div>
  );
}

interface NextStepsProps {
  task: TaskDetail;
  last: Attempt | null;
  reload: () => void;
}

function NextSteps({ task, last, reload }: NextStepsProps) {
  const { busy, order } = useOrder(reload, { panelGoes: true });
  const again = () =>
    order(
      () => api.retry(task.id),
      () => `${task.id} gets a new start.`,
    );
  const judge = () =>
    order(
      () => api.rerun(task.id, { only: "validator" }),
      () => `The work of ${task.id} is judged again.`,
    );
  return (
    <div class="buttons">
      {operates.value && (
        <button type="button" class="button primary" disabled={busy} onClick={again}>
          Start it again
        </button>
      )}
      {operates.value && last?.builder_result && (
        <button
          type="button"
          class="button"
          title="Runs the checks and the validator on the work that is there, and no builder"
          disabled={busy}
          onClick={judge}
        >
          Judge its work again
        </button>
      )}
      {operates.value && (
        <button type="button" class="button" onClick={() => show(".said details")}>
          Leave a note for the next attempt
        </button>
      )}
      <button type="button" class="button" onClick={() => show(".log-panel")}>
        Read the log
      </button>
      <button type="button" class="button" onClick={() => show(".attempt")}>
        See the attempts
      </button>
      {last !== null && last.change !== null && (
        <a class="button" href={href("task", task.id, writeChangesQuery({ attempt: last.number }))}>
          See what it changed
        </a>
      )}
    </div>
  );
}

/** Brings a part of the page into view, opened. */
function show(selector: string): void {
  const part = document.querySelector<HTMLElement>(selector);
  if (part === null) return;
  if (part instanceof HTMLDetailsElement) part.open = true;
  part.scrollIntoView({ block: "start" });
  part.querySelector<HTMLElement>("summary, select, textarea")?.focus({ preventScroll: true });
}
