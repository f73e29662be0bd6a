import type { Worker } from "../api/documents.ts";

const SIGNS: Record<Worker["status"], string> = { online: "●", draining: "◐", suspect: "▲", gone: "○" };

/** How it stands with a worker, as sign, colour and word. */
export function WorkerMark({ status }: { status: Worker["status"] }) {
  return (
    <span class={`status w-${status}`}>
      <span aria-hidden="true">{SIGNS[status] ?? "?"}</span> {status}
    </span>
  );
}
