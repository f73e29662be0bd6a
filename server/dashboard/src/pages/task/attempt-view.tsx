import type { Attempt } from "../../api/documents.ts";
import { LandingView } from "../../changes/landing-view.tsx";
import { writeChangesQuery } from "../../changes/query.ts";
import { changeSize } from "../../changes/words.ts";
import { href } from "../../state/route.ts";
import { between, moment, span } from "../../text/format.ts";
import { oneLine } from "../../text/visible.ts";
import { plain } from "../../text/words.ts";
import { Age } from "../../ui/age.tsx";
import { Receipt } from "../../ui/receipt.tsx";
import { Prose } from "../../ui/text.tsx";
import { BuiltView } from "./built-view.tsx";
import { ChecksView } from "./checks-view.tsx";
import { LateView } from "./late-view.tsx";
import { SessionsTable } from "./sessions-table.tsx";
import { VerdictView } from "./verdict-view.tsx";

interface AttemptViewProps {
  attempt: Attempt;
  attempts: readonly Attempt[];
  open: boolean;
  /** The task that it belongs to. */
  task: string;
}

/** One attempt with all that came of it. */
export function AttemptView({ attempt, attempts, open, task }: AttemptViewProps) {
  return (
    <details class="attempt" open={open} data-attempt={attempt.number}>
      <summary>
        <span class="strong">Attempt {attempt.number}</span>{" "}
        <span class={outcomeClass(attempt)}>{outcome(attempt)}</span>
        <span class="dim small">
          {" "}
          {attempt.worker ? `${oneLine(attempt.worker)} · ` : ""}
          {moment(attempt.claimed_at)} ·{" "}
          {attempt.ended_at === null ? (
            <Age from={attempt.started_at} />
          ) : (
            span(between(attempt.started_at ?? attempt.claimed_at, attempt.ended_at))
          )}
        </span>
      </summary>
      {attempt.error !== null && <Prose class="bad small" text={attempt.error} />}
      {attempt.sessions.length > 0 && (
        <SessionsTable sessions={attempt.sessions} task={task} attempt={attempt.number} />
      )}
      {attempt.change !== null && (
        <p class="small">
          <a href={href("task", task, writeChangesQuery({ attempt: attempt.number }))}>
            {changeSize(attempt.change)}
          </a>{" "}
          changed
        </p>
      )}
      {attempt.landing !== null && <LandingView attempt={attempt} />}
      {attempt.builder_result !== null && <BuiltView result={attempt.builder_result} />}
      {attempt.checks.length > 0 && <ChecksView checks={attempt.checks} />}
      {attempt.verdict !== null && (
        <VerdictView attempt={attempt} verdict={attempt.verdict} attempts={attempts} />
      )}
      {attempt.kill_receipt !== null && (
        <>
          <h3>Kill receipt</h3>
          <Receipt receipt={attempt.kill_receipt} />
        </>
      )}
      {attempt.late_results.length > 0 && <LateView results={attempt.late_results} />}
    </details>
  );
}

function outcome(attempt: Attempt): string {
  if (attempt.outcome === null) return "running";
  return attempt.failure_class === null
    ? attempt.outcome
    : `${attempt.outcome}: ${plain(attempt.failure_class)}`;
}

function outcomeClass(attempt: Attempt): string {
  if (attempt.outcome === null) return "s-in_progress";
  return attempt.outcome === "lost" ? "s-failed" : `s-${attempt.outcome}`;
}
