import { useState } from "preact/hooks";
import { status } from "../live/store.ts";
import { operates } from "../state/session.ts";
import { visible } from "../text/visible.ts";
import { ReceiptTable } from "./receipt-table.tsx";
import { ResumeDialog } from "./resume-dialog.tsx";

/** Stays until someone resumes. */
export function StopBanner() {
  const [resuming, setResuming] = useState(false);
  const [open, setOpen] = useState(true);
  const cause = status.value?.cause;
  return (
    <div class="banner stopped" role="alert" data-stop>
      <div class="banner-line">
        <span>
          <strong>■ Emergency stop in force.</strong> Nothing is claimed and nothing may run, over restarts
          too, until someone resumes. {cause ? `Cause: ${visible(cause)}` : ""}
        </span>
        <div class="buttons">
          <button type="button" class="button small" aria-expanded={open} onClick={() => setOpen(!open)}>
            {open ? "Hide receipts" : "Receipts"}
          </button>
          {operates.value && (
            <button type="button" class="button small strong" onClick={() => setResuming(true)}>
              Resume…
            </button>
          )}
        </div>
      </div>
      {open && <ReceiptTable />}
      {resuming && <ResumeDialog onClose={() => setResuming(false)} />}
    </div>
  );
}
