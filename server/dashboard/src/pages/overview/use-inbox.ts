// The held tasks, each with how much waits behind it: only the server can count that.
import { useEffect, useMemo } from "preact/hooks";
import type { InboxEntry, SwarmEvent } from "../../api/documents.ts";
import { api } from "../../api/swarm.ts";
import { events, status } from "../../live/store.ts";
import { useLoad } from "../../state/load.ts";
import { throttled } from "../../state/throttle.ts";

const KINDS: ReadonlySet<string> = new Set(["task_held", "task_unheld"]);
const REFRESH_MS = 1000;
// The number of tasks behind a hold changes without an event of the held task.
const EVERY_MS = 30_000;
const NOTHING: readonly InboxEntry[] = [];

/** Returns the held tasks, the most urgent first; none before they are loaded. */
export function useInbox(): readonly InboxEntry[] {
  const held = status.value?.counts.held ?? 0;
  const last = lastHold(events.value);
  const load = async (signal: AbortSignal) => (held > 0 ? (await api.inbox(signal)).entries : NOTHING);
  const { value, reload } = useLoad("inbox", load, EVERY_MS);
  const refresh = useMemo(() => throttled(reload, REFRESH_MS), [reload]);
  useEffect(() => refresh.cancel, [refresh]);
  // Each change of the number or of a hold asks anew.
  useEffect(() => refresh(), [held, last, refresh]);
  return held > 0 ? (value ?? NOTHING) : NOTHING;
}

/** Returns the number of the last event that began or ended a hold; 0 if none is known. */
function lastHold(known: readonly SwarmEvent[]): number {
  return known.find(({ kind }) => KINDS.has(kind))?.seq ?? 0;
}
