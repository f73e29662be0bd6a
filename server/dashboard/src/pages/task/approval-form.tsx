import type { Hold, TaskDetail } from "../../api/documents.ts";
import { api } from "../../api/swarm.ts";
import { writeChangesQuery } from "../../changes/query.ts";
import { changeSize } from "../../changes/words.ts";
import { href } from "../../state/route.ts";
import { ChecksView } from "./checks-view.tsx";
import { TextForm } from "./text-form.tsx";
import { useOrder } from "./use-order.ts";
import { VerdictView } from "./verdict-view.tsx";

interface ApprovalFormProps {
  id: string;
  hold: Hold;
  reload: () => void;
}

/** The button that approves what a task waits for, and the field for a rejection. */
export function ApprovalForm({ id, hold, reload }: ApprovalFormProps) {
  const { busy, order } = useOrder(reload, { panelGoes: true });
  const approve = () =>
    order(
      () => api.approve(id, hold.hold_id),
      () => `${id} is approved.`,
    );
  const starts = hold.point === "before-start";
  return (
    <div class="approval-forms">
      <button type="button" class="button primary" disabled={busy} onClick={approve}>
        {starts ? "Let it start" : hold.point === "before-landing" ? "Let it land" : "Let it count"}
      </button>
      <TextForm
        label={starts ? "Why it must not start" : "What its builder has to change"}
        act="Reject"
        busy={busy}
        send={(text) =>
          order(
            () => api.reject(id, hold.hold_id, text),
            () => (starts ? `${id} is killed.` : `${id} goes back to its builder.`),
          )
        }
      />
    </div>
  );
}

/** What there is to approve: the size of the change, the checks and the verdict of the attempt. */
export function WorkToApprove({ task, hold }: { task: TaskDetail; hold: Hold }) {
  const attempt = task.attempts.find(({ number }) => number === hold.attempt);
  if (hold.point === "before-start" || attempt === undefined) return null;
  return (
    <div class="work-to-approve">
      {attempt.change !== null && (
        <p>
          <a href={href("task", task.id, writeChangesQuery({ attempt: attempt.number }))}>
            {changeSize(attempt.change)}
          </a>{" "}
          changed
        </p>
      )}
      {attempt.checks.length > 0 && <ChecksView checks={attempt.checks} />}
      {attempt.verdict !== null && (
        <VerdictView attempt={attempt} verdict={attempt.verdict} attempts={task.attempts} />
      )}
    </div>
  );
}
