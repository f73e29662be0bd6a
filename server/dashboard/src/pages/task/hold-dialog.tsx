import { useState } from "preact/hooks";
import type { TaskDetail } from "../../api/documents.ts";
import { api } from "../../api/swarm.ts";
import { attempt } from "../../state/notices.ts";
import { oneLine } from "../../text/visible.ts";
import { CauseField } from "../../ui/cause-field.tsx";
import { OrderDialog } from "../../ui/order-dialog.tsx";

/** Keeps one task from starting. */
export function HoldDialog({ task, onClose }: { task: TaskDetail; onClose: () => void }) {
  const [cause, setCause] = useState("");
  return (
    <OrderDialog
      title={`Hold ${oneLine(task.id)}?`}
      act="Hold"
      acting="Holding…"
      order={() => attempt(() => api.hold(task.id, cause.trim()))}
      onClose={onClose}
    >
      <p>Nothing starts it until someone lets it start. What depends on it waits. It uses up no retry.</p>
      <CauseField value={cause} onInput={setCause} focus />
    </OrderDialog>
  );
}
