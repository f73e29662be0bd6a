import { dismiss, notices } from "../state/notices.ts";
import { visible } from "../text/visible.ts";

/** The notes at the edge of the screen. */
export function Notices() {
  return (
    <div class="notices" aria-live="polite">
      {notices.value.map((notice) => (
        <div
          key={notice.id}
          class={`notice ${notice.kind}`}
          role={notice.kind === "error" ? "alert" : "status"}
        >
          <span>{visible(notice.text)}</span>
          <button
            type="button"
            class="button plain small"
            aria-label="Dismiss"
            onClick={() => dismiss(notice.id)}
          >
            ✕
          </button>
        </div>
      ))}
    </div>
  );
}
