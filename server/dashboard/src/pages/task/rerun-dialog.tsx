import { useEffect, useState } from "preact/hooks";
import type { TaskDetail } from "../../api/documents.ts";
import { api } from "../../api/swarm.ts";
import { attempt, sentence } from "../../state/notices.ts";
import { plural } from "../../text/format.ts";
import { oneLine } from "../../text/visible.ts";
import { OrderDialog } from "../../ui/order-dialog.tsx";

const SHOWN_IDS = 20;

/** Runs a completed task again; says before what becomes of its work, and of what has built on it. */
export function RerunDialog({ task, onClose }: { task: TaskDetail; onClose: () => void }) {
  const [built, setBuilt] = useState<readonly string[] | null>(null);
  const [fault, setFault] = useState("");
  useEffect(() => {
    const terms = { completed: true, with_dependents: true };
    api.rerun(task.id, { ...terms, dry_run: true }).then(
      (answer) => setBuilt(answer.put_back),
      (error: unknown) => setFault(sentence(error)),
    );
  }, [task.id]);
  const rerun = () =>
    attempt(
      () => api.rerun(task.id, { completed: true, with_dependents: (built ?? []).length > 0 }),
      () => `${task.id} runs again.`,
    );
  return (
    <OrderDialog
      title={`Run ${oneLine(task.id)} again?`}
      act="Run again"
      acting="Starting…"
      ready={built !== null}
      order={rerun}
      onClose={onClose}
    >
      <p>
        {task.landed === null
          ? "Its work stays where it is, and a builder works on it once more."
          : `Its work stays on ${oneLine(task.landed.target)}, and what its builder does now lands on top.`}
      </p>
      {fault !== "" && <p class="bad">{fault}</p>}
      {built !== null && built.length > 0 && (
        <p>
          {plural(built.length, "task")} that built on it {built.length === 1 ? "is" : "are"} put back too:{" "}
          {built.slice(0, SHOWN_IDS).map(oneLine).join(", ")}
          {built.length > SHOWN_IDS && ", …"}
        </p>
      )}
    </OrderDialog>
  );
}
