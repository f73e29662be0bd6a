// One WebSocket at a time to /ws, made again for ever when it ends, always from the last number seen.
import { atServer } from "../api/address.ts";
import { type Query, withQuery } from "../api/http.ts";
import { backoffMs } from "./backoff.ts";
import { type Frame, parseFrame } from "./frames.ts";

export type Link = "connecting" | "live" | "lost";

export interface Wire {
  open(url: string, protocols: string[]): WebSocket;
  later(action: () => void, delayMs: number): number;
  never(timer: number): void;
  random(): number;
}

export interface Listener {
  /** Takes a frame; false means that the feed has a hole and must be read again from `seq()`. */
  frame(frame: Frame): boolean;
  link(link: Link, retryMs: number | null): void;
  seq(): number | null;
  /** Which history that number is of. */
  epoch(): number | null;
  csrf(): string;
  /** Asked before each further try; false ends them (nobody is logged in any more). */
  allowed(): Promise<boolean>;
}

// A server that says nothing for this long is gone, or the network is: pulses come every 2 s.
const SILENCE_MS = 12_000;

export class Connection {
  private socket: WebSocket | null = null;
  private retry: number | null = null;
  private watchdog: number | null = null;
  private tries = 0;
  private closed = false;
  private readonly listener: Listener;
  private readonly wire: Wire;

  constructor(listener: Listener, wire: Wire = browserWire) {
    this.listener = listener;
    this.wire = wire;
  }

  start(): void {
    this.closed = false;
    this.connect();
  }

  stop(): void {
    this.closed = true;
    this.drop();
    if (this.retry !== null) this.wire.never(this.retry);
    this.retry = null;
  }

  /** Tries at once instead of waiting for the next turn. */
  now(): void {
    if (this.closed || this.socket !== null) return;
    if (this.retry !== null) this.wire.never(this.retry);
    this.connect();
  }

  private connect(): void {
    this.retry = null;
    this.listener.link("connecting", null);
    const seq = this.listener.seq();
    const from: Query = seq === null ? {} : { after: seq, epoch: this.listener.epoch() ?? undefined };
    const url = withQuery(atServer("/ws").replace(/^http/, "ws"), from);
    const socket = this.wire.open(url, ["swarm.v1", `csrf.${this.listener.csrf()}`]);
    this.socket = socket;
    this.listen(socket);
    this.watch(socket);
  }

  private listen(socket: WebSocket): void {
    socket.onmessage = (message: MessageEvent<string>) => {
      // A socket that was given up may still deliver: what it says is told again by the next one.
      if (this.socket !== socket) return;
      this.watch(socket);
      const frame = parseFrame(message.data);
      if (frame === null) return;
      if (!this.listener.frame(frame)) {
        this.lost(socket);
        return;
      }
      this.tries = 0;
      this.listener.link("live", null);
    };
    socket.onclose = () => this.lost(socket);
  }

  private watch(socket: WebSocket): void {
    if (this.watchdog !== null) this.wire.never(this.watchdog);
    this.watchdog = this.wire.later(() => this.lost(socket), SILENCE_MS);
  }

  private lost(socket: WebSocket): void {
    if (this.socket !== socket) return;
    this.drop();
    if (this.closed) return;
    this.tries += 1;
    const delayMs = backoffMs(this.tries, this.wire.random());
    this.listener.link("lost", delayMs);
    this.retry = this.wire.later(() => void this.again(), delayMs);
  }

  private async again(): Promise<void> {
    const allowed = await this.listener.allowed();
    if (allowed && !this.closed && this.socket === null) this.connect();
  }

  private drop(): void {
    if (this.watchdog !== null) this.wire.never(this.watchdog);
    this.watchdog = null;
    const socket = this.socket;
    this.socket = null;
    if (socket === null) return;
    socket.onmessage = null;
    socket.onclose = null;
    socket.close();
  }
}

export const browserWire: Wire = {
  open: (url, protocols) => new WebSocket(url, protocols),
  later: (action, delayMs) => window.setTimeout(action, delayMs),
  never: (timer) => window.clearTimeout(timer),
  random: Math.random,
};
