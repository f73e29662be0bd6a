// Asks the worker for layouts; only the answer to the last question counts.
import type { Layout, LayoutRequest } from "./layout.ts";

export class Layouter {
  private readonly worker: Worker;
  private last = 0;

  constructor(answer: (layout: Layout) => void) {
    this.worker = new Worker(new URL("./layout.worker.ts", import.meta.url), { type: "module" });
    this.worker.onmessage = (message: MessageEvent<{ id: number; layout: Layout }>) => {
      if (message.data.id === this.last) answer(message.data.layout);
    };
  }

  ask(request: LayoutRequest): void {
    this.last += 1;
    this.worker.postMessage({ id: this.last, request });
  }

  close(): void {
    this.worker.terminate();
  }
}
