import { link, reconnectNow, status } from "../live/store.ts";
import { nowMs } from "../state/clock.ts";
import { StopBanner } from "../stop/stop-banner.tsx";
import { visible } from "../text/visible.ts";

/** What everyone must know wherever they are: no connection, a stop, a pause. */
export function Banners() {
  const mode = status.value?.mode;
  return (
    <div class="banners">
      {link.value.state === "lost" && <LostBanner />}
      {mode === "stopped" && <StopBanner />}
      {mode === "paused" && (
        <div class="banner warning" role="status">
          <strong>Paused.</strong> What runs goes on; nothing new begins.{" "}
          {status.value?.cause ? `Cause: ${visible(status.value.cause)}` : ""}
        </div>
      )}
    </div>
  );
}

function LostBanner() {
  const { retryAtMs } = link.value;
  const waitS = retryAtMs === null ? 0 : Math.max(0, Math.ceil((retryAtMs - nowMs.value) / 1000));
  return (
    <div class="banner lost" role="alert">
      <span>
        <strong>No connection to swarmd.</strong> This shows how things stood when it was lost. Sessions go on
        at their workers meanwhile. {waitS > 1 ? `Trying again in ${waitS} s.` : "Trying again…"}
      </span>
      <button type="button" class="button small" onClick={reconnectNow}>
        Try now
      </button>
    </div>
  );
}
