import { taskHref } from "../state/route.ts";
import { clock, plural } from "../text/format.ts";
import { visible } from "../text/visible.ts";
import { ScrollX } from "../ui/scroll-x.tsx";
import { byWorker, endings, unreachable, type WorkerReceipt } from "./receipts.ts";

/** The receipt of each worker, as it arrives. */
export function ReceiptTable() {
  const workers = byWorker(endings.value.values());
  if (workers.length === 0) return <p class="small">No session was running when the stop came into force.</p>;
  return (
    <ScrollX label="Receipts">
      <table class="receipts">
        <thead>
          <tr>
            <th>Worker</th>
            <th>Its sessions</th>
            <th class="right">Processes</th>
            <th class="right">SIGTERM</th>
            <th class="right">SIGKILL</th>
            <th class="right">Survivors</th>
            <th>Tasks</th>
          </tr>
        </thead>
        <tbody>
          {workers.map((worker) => (
            <Row key={worker.worker} receipt={worker} />
          ))}
        </tbody>
      </table>
    </ScrollX>
  );
}

function Row({ receipt }: { receipt: WorkerReceipt }) {
  return (
    <tr data-worker={receipt.worker}>
      <td>{visible(receipt.worker)}</td>
      <td>{told(receipt)}</td>
      <td class="right">{receipt.found}</td>
      <td class="right">{receipt.terminated}</td>
      <td class="right">{receipt.killed}</td>
      <td class={`right ${receipt.survivors > 0 ? "strong" : ""}`}>
        {receipt.survivors > 0 ? `⚠ ${receipt.survivors}` : 0}
      </td>
      <td>
        {receipt.endings.map((ending) => (
          <a key={ending.task} class="receipt-task mono" href={taskHref(ending.task)}>
            {ending.task}
          </a>
        ))}
      </td>
    </tr>
  );
}

function told(receipt: WorkerReceipt): string {
  const waits = receipt.endings.length - receipt.gone;
  if (waits === 0 && receipt.survivors > 0)
    return `⚠ ${plural(receipt.survivors, "process", "processes")} not ended`;
  if (waits === 0) return receipt.told > 0 ? "✓ proven gone" : "✓ over; it sent no receipt";
  if (!unreachable.value.has(receipt.worker)) return `… ${plural(waits, "session")} still ending`;
  const by = unreachable.value.get(receipt.worker) ?? null;
  return `▲ can't be reached: it ends its sessions by itself${by === null ? "" : ` by ${clock(by)}`}`;
}
