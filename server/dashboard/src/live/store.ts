// The one place that holds the live swarm: signals for what every page shows, steps for pages that hold more.
import { computed, signal } from "@preact/signals";
import { csrfToken } from "../api/csrf.ts";
import { api } from "../api/swarm.ts";
import { ask } from "../state/session.ts";
import { Connection, type Link } from "./connection.ts";
import type { Frame } from "./frames.ts";
import { withHistory } from "./history.ts";
import { EMPTY, reduce, type Step, type Swarm } from "./reduce.ts";

export const swarm = signal<Swarm>(EMPTY);
export const link = signal<{ state: Link; retryAtMs: number | null }>({
  state: "connecting",
  retryAtMs: null,
});

export const status = computed(() => swarm.value.status);
export const workers = computed(() => swarm.value.workers);
export const running = computed(() => swarm.value.running);
export const attention = computed(() => swarm.value.attention);
export const events = computed(() => swarm.value.events);

const listeners = new Set<(step: Step) => void>();

/** Calls back after each step that changed tasks; returns how to stop. */
export function onStep(listener: (step: Step) => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

function take(frame: Frame): boolean {
  const step = reduce(swarm.value, frame);
  if (step.hole) return false;
  swarm.value = step.swarm;
  if (step.changed.length > 0 || step.removed.length > 0 || step.everything) {
    for (const listener of listeners) listener(step);
  }
  if (frame.type === "snapshot") void loadHistory(frame.seq);
  return true;
}

const HISTORY = 100;

async function loadHistory(seq: number): Promise<void> {
  try {
    const page = await api.events({ after: Math.max(0, seq - HISTORY), limit: HISTORY });
    swarm.value = withHistory(swarm.value, page.events);
  } catch {
    // The list of events then begins with the next one; nothing else depends on it.
  }
}

function setLink(state: Link, retryMs: number | null): void {
  const known = link.value;
  // "connecting" after "lost" is still lost to whoever looks.
  const shown = state === "connecting" && known.state === "lost" ? "lost" : state;
  if (shown === known.state && retryMs === null && known.retryAtMs === null) return;
  link.value = { state: shown, retryAtMs: retryMs === null ? null : Date.now() + retryMs };
}

const connection = new Connection({
  frame: take,
  link: setLink,
  seq: () => swarm.value.seq,
  epoch: () => swarm.value.status?.epoch ?? null,
  csrf: csrfToken,
  allowed: ask,
});

export function connect(): void {
  connection.start();
}

export function reconnectNow(): void {
  connection.now();
}

export function disconnect(): void {
  connection.stop();
  swarm.value = EMPTY;
}
