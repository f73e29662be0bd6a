// A WebSocket and a clock that the test moves.
import type { Wire } from "../../src/live/connection.ts";

export class FakeSocket {
  onmessage: ((message: { data: string }) => void) | null = null;
  onclose: (() => void) | null = null;
  closed = false;
  readonly url: string;
  readonly protocols: string[];

  constructor(url: string, protocols: string[]) {
    this.url = url;
    this.protocols = protocols;
  }

  close(): void {
    this.closed = true;
  }

  says(frame: object): void {
    this.onmessage?.({ data: JSON.stringify(frame) });
  }

  /** The other side is gone. */
  breaks(): void {
    this.onclose?.();
  }

  get after(): string | null {
    return new URL(this.url).searchParams.get("after");
  }
}

export class FakeWire implements Wire {
  readonly sockets: FakeSocket[] = [];
  private readonly timers = new Map<number, { action: () => void; atMs: number }>();
  private nowMs = 0;
  private lastTimer = 0;

  get socket(): FakeSocket {
    const found = this.sockets.at(-1);
    if (found === undefined) throw new Error("no socket was opened");
    return found;
  }

  open(url: string, protocols: string[]): WebSocket {
    const socket = new FakeSocket(url, protocols);
    this.sockets.push(socket);
    return socket as unknown as WebSocket;
  }

  later(action: () => void, delayMs: number): number {
    this.lastTimer += 1;
    this.timers.set(this.lastTimer, { action, atMs: this.nowMs + delayMs });
    return this.lastTimer;
  }

  never(timer: number): void {
    this.timers.delete(timer);
  }

  random(): number {
    return 0;
  }

  /** Moves the clock, runs what is due, and lets promises settle. */
  async pass(ms: number): Promise<void> {
    this.nowMs += ms;
    for (const [id, { action, atMs }] of [...this.timers]) {
      if (atMs > this.nowMs || !this.timers.has(id)) continue;
      this.timers.delete(id);
      action();
    }
    for (let turn = 0; turn < 5; turn++) await Promise.resolve();
  }
}
