import type { TaskDetail } from "../../api/documents.ts";
import { visible } from "../../text/visible.ts";
import { Panel } from "../../ui/panel.tsx";
import { Receipt } from "../../ui/receipt.tsx";

/** For a task that is being killed or was: how that goes. */
export function ReceiptPanel({ task }: { task: TaskDetail }) {
  if (task.status !== "killing" && task.status !== "killed") return null;
  const receipt = task.attempts.at(-1)?.kill_receipt ?? null;
  return (
    <Panel
      title="Kill receipt"
      class="receipt-panel"
      aside={task.cause ? <span>Cause: {visible(task.cause)}</span> : undefined}
    >
      {receipt !== null ? <Receipt receipt={receipt} /> : <p class="dim">{told(task)}</p>}
    </Panel>
  );
}

function told(task: TaskDetail): string {
  if (task.status === "killing") {
    return "Its worker was told to end it. The receipt comes when its processes are proven gone.";
  }
  return task.attempt > 0
    ? "No receipt: no session was running, or its worker is lost and its lease has ended."
    : "It had not begun.";
}
