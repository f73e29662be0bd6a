import { useEffect, useState } from "preact/hooks";
import type { TaskDetail } from "../../api/documents.ts";
import { api } from "../../api/swarm.ts";
import { writeChangesQuery } from "../../changes/query.ts";
import { bind } from "../../state/keys.ts";
import { attempt } from "../../state/notices.ts";
import { href } from "../../state/route.ts";
import { operates } from "../../state/session.ts";
import { oneLine } from "../../text/visible.ts";
import { attemptWords, canHold, canKill, canRetry, isLanded } from "../../text/words.ts";
import { StatusMark } from "../../ui/status-mark.tsx";
import { HoldDialog } from "./hold-dialog.tsx";
import { KillDialog } from "./kill-dialog.tsx";
import { RerunDialog } from "./rerun-dialog.tsx";

function workWords(start: string): string {
  if (start === "validator") return "judges the work of";
  return start === "checks" ? "checks the work of" : "lands the work of";
}

/** Its name, where it is, and what can be done to it. */
export function TaskHead({ task }: { task: TaskDetail }) {
  const [asked, setAsked] = useState<"kill" | "hold" | "rerun" | null>(null);
  useEffect(() => bind([{ keys: "u", what: "Back to the page before", run: () => history.back() }]), []);
  const retry = () =>
    attempt(
      () => api.retry(task.id),
      () => `${task.id} gets a new start.`,
    );
  const land = () =>
    attempt(
      () => api.land(task.id),
      () => `The work of ${task.id} is going to land.`,
    );
  return (
    <header class="task-head">
      <div class="task-title">
        <p class="small dim">
          <a class="underlined" href={href("tasks")}>
            Tasks
          </a>{" "}
          / <span class="mono task-id">{task.id}</span>
        </p>
        <h1 title={oneLine(task.name, 1000)}>{oneLine(task.name)}</h1>
        <p class="task-where">
          <StatusMark status={task.status} rehearsed={task.rehearsed} />{" "}
          {isLanded(task) && (
            <a
              class="landed small"
              href={href("task", task.id, writeChangesQuery())}
              title={`On ${oneLine(task.landed.target)} as ${task.landed.commit}`}
            >
              landed on {oneLine(task.landed.target)}
            </a>
          )}{" "}
          {task.work_of !== null && (
            <span class="small">
              {workWords(task.starts_at)} attempt {task.work_of}
            </span>
          )}{" "}
          <span class="dim">
            {attemptWords(task)}
            {task.worker ? ` · ${oneLine(task.worker)}` : ""}
          </span>
        </p>
      </div>
      {operates.value && (
        <div class="buttons">
          {task.kept_ref !== null && (
            <button
              type="button"
              class="button"
              title={`Brings ${oneLine(task.kept_ref)} onto the target. Tasks that wait for it wait until then.`}
              onClick={land}
            >
              Land
            </button>
          )}
          {task.status === "completed" ? (
            <button type="button" class="button" onClick={() => setAsked("rerun")}>
              Run again…
            </button>
          ) : (
            <button type="button" class="button" disabled={!canRetry(task.status)} onClick={retry}>
              Retry
            </button>
          )}
          <button
            type="button"
            class="button"
            disabled={!canHold(task.status)}
            onClick={() => setAsked("hold")}
          >
            Hold…
          </button>
          <button
            type="button"
            class="button danger"
            disabled={!canKill(task.status) || task.status === "killing"}
            onClick={() => setAsked("kill")}
          >
            Kill…
          </button>
        </div>
      )}
      {asked === "kill" && <KillDialog task={task} onClose={() => setAsked(null)} />}
      {asked === "rerun" && <RerunDialog task={task} onClose={() => setAsked(null)} />}
      {asked === "hold" && <HoldDialog task={task} onClose={() => setAsked(null)} />}
    </header>
  );
}
