// Events from before the page was opened, put under those that came since.
import type { SwarmEvent } from "../api/documents.ts";
import { EVENTS_KEPT, type Swarm, withoutHoles } from "./reduce.ts";

export function withHistory(swarm: Swarm, older: readonly SwarmEvent[]): Swarm {
  return { ...swarm, events: withoutHoles(merged(swarm.events, older)).slice(0, EVENTS_KEPT) };
}

/** Both, each event once, the newest first. */
export function merged(known: readonly SwarmEvent[], more: readonly SwarmEvent[]): SwarmEvent[] {
  const bySeq = new Map<number, SwarmEvent>();
  for (const event of [...known, ...more]) bySeq.set(event.seq, event);
  return [...bySeq.values()].sort((one, other) => other.seq - one.seq);
}
