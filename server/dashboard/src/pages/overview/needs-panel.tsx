import { link, status, swarm } from "../../live/store.ts";
import { nowMs } from "../../state/clock.ts";
import { count } from "../../text/format.ts";
import { oneLine } from "../../text/visible.ts";
import { Panel } from "../../ui/panel.tsx";
import { Shape } from "../../ui/shape.tsx";
import { type Need, needCount, needs } from "./needs.ts";
import { useInbox } from "./use-inbox.ts";

/** What needs attention, or that nothing does. */
export function NeedsPanel() {
  const found = needs(swarm.value, useInbox(), nowMs.value);
  if (found.length === 0) {
    if (status.value?.mode === "stopped") return null;
    return (
      <p class="calm" role="status">
        <span aria-hidden="true">✓</span> {calm()}
      </p>
    );
  }
  return (
    <Panel
      title="Needs attention"
      class="needs"
      aside={<span class="badge">{count(needCount(swarm.value, nowMs.value))}</span>}
    >
      <ul>
        {found.map((need) => (
          <Row key={need.key} need={need} />
        ))}
      </ul>
    </Panel>
  );
}

function calm(): string {
  const now = status.value;
  if (now === null) return link.value.state === "lost" ? "Nothing is known yet." : "Loading…";
  if (now.total === 0) return "Nothing to do yet: `swarmctl import FILE` adds tasks.";
  return now.done ? "All is done, and nothing needs attention." : "Nothing needs attention.";
}

function Row({ need }: { need: Need }) {
  const title = (
    <>
      <span class="need-mark" aria-hidden="true">
        {need.mark === "held" ? <Shape status="held" /> : need.mark === "urgent" ? "▲" : "✕"}
      </span>
      <span class="need-title">{oneLine(need.title)}</span>
    </>
  );
  return (
    <li class={`need ${need.mark}`}>
      {need.href === null ? (
        <span class="need-head">{title}</span>
      ) : (
        <a class="need-head" href={need.href}>
          {title}
        </a>
      )}
      <span class="need-detail">
        <span class="need-text dim">{oneLine(need.detail, 300)}</span>
        {need.facts && <span class="need-facts small">{need.facts}</span>}
      </span>
    </li>
  );
}
