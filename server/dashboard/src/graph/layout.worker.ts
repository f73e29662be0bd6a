// Lays out in a thread of its own: a big graph takes seconds, in which the page must answer.
import { type LayoutRequest, layOut } from "./layout.ts";

self.onmessage = (message: MessageEvent<{ id: number; request: LayoutRequest }>) => {
  const { id, request } = message.data;
  self.postMessage({ id, layout: layOut(request) });
};
