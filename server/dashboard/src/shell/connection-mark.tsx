import { link, status } from "../live/store.ts";

/** Whether what the page shows is live, and what the swarm may do. */
export function ConnectionMark() {
  const state = link.value.state;
  const mode = status.value?.mode;
  if (state !== "live") {
    return (
      <span class="mark mark-lost" role="status">
        <span class="dot hollow" />
        {state === "lost" ? "offline" : "connecting"}
      </span>
    );
  }
  return (
    <span class={`mark mark-${mode}`} role="status" title="Live: changes show at once">
      <span class={mode === "running" ? "dot" : "dot square"} />
      {mode ?? "live"}
    </span>
  );
}
