import type { Hold, TaskDetail } from "../../api/documents.ts";
import { api } from "../../api/swarm.ts";
import { operates } from "../../state/session.ts";
import { oneLine, visible } from "../../text/visible.ts";
import { plain } from "../../text/words.ts";
import { Age } from "../../ui/age.tsx";
import { Panel } from "../../ui/panel.tsx";
import { Prose } from "../../ui/text.tsx";
import { AnswerForm } from "./answer-form.tsx";
import { ApprovalForm, WorkToApprove } from "./approval-form.tsx";
import { BudgetForm } from "./budget-form.tsx";
import { NoteForm } from "./note-form.tsx";
import { useOrder } from "./use-order.ts";

interface HeldPanelProps {
  task: TaskDetail;
  /** Loads the task anew. */
  reload: () => void;
}

// What settles each kind of hold, and whether it also ends by letting the task start; any other kind ends so alone.
const FORMS: Record<string, { title: string; Form: typeof AnswerForm; starts?: boolean } | undefined> = {
  question: { title: "It waits for an answer", Form: AnswerForm },
  approval: { title: "It waits for an approval", Form: ApprovalForm },
  budget: { title: "It has used up its budget", Form: BudgetForm },
  no_progress: { title: "It makes no progress", Form: AnswerForm, starts: true },
};

/** The question or the reason that a held task waits for, and the fields that settle it. */
export function HeldPanel({ task, reload }: HeldPanelProps) {
  const { hold } = task;
  if (hold === null) return null;
  const form = FORMS[hold.kind];
  return (
    <Panel title={form?.title ?? "It is held"} class="held-panel" aside={<Facts hold={hold} />}>
      <Prose text={hold.text} class="question" />
      {hold.kind === "approval" && <WorkToApprove task={task} hold={hold} />}
      {operates.value ? (
        <div class="held-forms">
          {form !== undefined && <form.Form key={hold.hold_id} id={task.id} hold={hold} reload={reload} />}
          {(form === undefined || form.starts) && <Unhold id={task.id} reload={reload} />}
          <NoteForm id={task.id} reload={reload} />
        </div>
      ) : (
        <Options hold={hold} />
      )}
    </Panel>
  );
}

function Facts({ hold }: { hold: Hold }) {
  const where = hold.attempt === null ? "" : ` in attempt ${hold.attempt}`;
  const who = hold.held_by === null ? "" : ` by ${oneLine(hold.held_by)}`;
  return (
    <span class="dim small">
      {hold.kind === "question" ? "asked" : plain(hold.kind)}
      {where}
      {who}, <Age from={hold.since} suffix />
    </span>
  );
}

function Unhold({ id, reload }: { id: string; reload: () => void }) {
  const { busy, order } = useOrder(reload, { panelGoes: true });
  const unhold = () =>
    order(
      () => api.unhold(id),
      () => `${id} may start.`,
    );
  return (
    <button type="button" class="button primary" disabled={busy} onClick={unhold}>
      Let it start
    </button>
  );
}

/** The possible answers, for those who may give none. */
function Options({ hold }: { hold: Hold }) {
  if (hold.options.length === 0) return null;
  return (
    <ul class="bullets">
      {hold.options.map((option, index) => (
        <li key={index}>{visible(option)}</li>
      ))}
    </ul>
  );
}
