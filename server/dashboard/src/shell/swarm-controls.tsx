import { useState } from "preact/hooks";
import { status } from "../live/store.ts";
import { operates } from "../state/session.ts";
import { PauseDialog } from "../stop/pause-dialog.tsx";
import { ResumeDialog } from "../stop/resume-dialog.tsx";
import { StopDialog } from "../stop/stop-dialog.tsx";

type Open = "pause" | "resume" | "stop" | null;

/** Pause, resume and emergency stop. A viewer has none of them. */
export function SwarmControls() {
  const [open, setOpen] = useState<Open>(null);
  if (!operates.value) return null;
  const close = () => setOpen(null);
  const mode = status.value?.mode ?? "running";
  return (
    <div class="controls">
      {mode === "running" ? (
        <button type="button" class="button small" onClick={() => setOpen("pause")}>
          Pause
        </button>
      ) : (
        <button type="button" class="button small primary" onClick={() => setOpen("resume")}>
          Resume
        </button>
      )}
      <button type="button" class="button small danger solid" onClick={() => setOpen("stop")}>
        Emergency stop
      </button>
      {open === "pause" && <PauseDialog onClose={close} />}
      {open === "resume" && <ResumeDialog onClose={close} />}
      {open === "stop" && <StopDialog onClose={close} />}
    </div>
  );
}
