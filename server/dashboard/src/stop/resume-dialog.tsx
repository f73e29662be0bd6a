import { useState } from "preact/hooks";
import { api } from "../api/swarm.ts";
import { status } from "../live/store.ts";
import { attempt } from "../state/notices.ts";
import { plural } from "../text/format.ts";
import { OrderDialog } from "../ui/order-dialog.tsx";
import { endings } from "./receipts.ts";

/** Ends pauses and stops; asks what shall become of the tasks that the stop ended. */
export function ResumeDialog({ onClose }: { onClose: () => void }) {
  const stopped = status.value?.mode === "stopped";
  const [requeue, setRequeue] = useState(stopped);
  const resume = () =>
    attempt(
      () => api.resume(requeue),
      ({ requeued = [] }) =>
        requeued.length > 0 ? `Resumed; ${plural(requeued.length, "task")} put back.` : "Resumed.",
    );
  return (
    <OrderDialog title="Resume the swarm" act="Resume" acting="Resuming…" order={resume} onClose={onClose}>
      <p>
        Tasks are claimed and run again. Runners that were paused because their provider refused may start
        too.
      </p>
      <label class="check">
        <input
          type="checkbox"
          name="requeue"
          checked={requeue}
          onChange={(event) => setRequeue(event.currentTarget.checked)}
        />
        <span>
          Put back the tasks that a stop or a drain interrupted
          {stopped && endings.value.size > 0 ? ` (${endings.value.size} by this stop)` : ""}. Otherwise they
          stay killed.
        </span>
      </label>
    </OrderDialog>
  );
}
