// What the server sends over the WebSocket.
import type { SwarmEvent, SwarmStatus, Task, Usage, Worker } from "../api/documents.ts";

export interface SnapshotFrame {
  type: "snapshot";
  seq: number;
  status: SwarmStatus;
  workers: Worker[];
  running: Task[];
  attention: Task[];
}

export interface DeltaFrame {
  type: "delta";
  from: number;
  to: number;
  events: SwarmEvent[];
  skipped?: number;
  tasks: Task[];
  removed?: string[];
  workers?: Worker[];
  status?: SwarmStatus;
}

export interface PulseFrame {
  type: "pulse";
  at: string;
  status: SwarmStatus;
  workers: Worker[];
  /** What tasks that are held have used by now. */
  usage?: Record<string, Usage>;
}

export interface ResyncFrame {
  type: "resync";
  reason: string;
}

export type Frame = SnapshotFrame | DeltaFrame | PulseFrame | ResyncFrame;

const TYPES = new Set(["snapshot", "delta", "pulse", "resync"]);

/** The frame, or null for a type that this page does not know yet. */
export function parseFrame(text: string): Frame | null {
  const found: unknown = JSON.parse(text);
  if (typeof found !== "object" || found === null || !("type" in found)) return null;
  return TYPES.has(String(found.type)) ? (found as Frame) : null;
}
