import { useState } from "preact/hooks";
import type { TaskDetail } from "../../api/documents.ts";
import { api } from "../../api/swarm.ts";
import { attempt } from "../../state/notices.ts";
import { money } from "../../text/format.ts";
import { oneLine } from "../../text/visible.ts";
import { RUNNING } from "../../text/words.ts";
import { CauseField } from "../../ui/cause-field.tsx";
import { OrderDialog } from "../../ui/order-dialog.tsx";

/** Ends one task for good. */
export function KillDialog({ task, onClose }: { task: TaskDetail; onClose: () => void }) {
  const [cause, setCause] = useState("");
  return (
    <OrderDialog
      title={`Kill ${oneLine(task.id)}?`}
      act="Kill"
      acting="Killing…"
      danger
      order={() => attempt(() => api.kill(task.id, cause.trim()))}
      onClose={onClose}
    >
      <p>
        {RUNNING.has(task.status)
          ? `Its session and all processes under it end now; ${money(task.usage.cost)} is spent on it so far.`
          : "It has no session now; it will not be started."}{" "}
        It stays killed until someone retries it. What depends on it is skipped.
      </p>
      <CauseField value={cause} onInput={setCause} focus />
    </OrderDialog>
  );
}
