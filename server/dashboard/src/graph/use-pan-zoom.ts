// Pan by dragging, zoom by wheel, pinch and keys.
import type { RefObject } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { panned, type Viewport, zoomed } from "./viewport.ts";

type Change = (change: (view: Viewport) => Viewport) => void;

const WHEEL = 0.0016;

/** Calls `change` with each move. A press that moves nothing stays a click. */
export function usePanZoom(element: RefObject<SVGSVGElement | null>, change: Change): void {
  const latest = useRef(change);
  latest.current = change;
  useEffect(() => {
    const svg = element.current;
    if (svg === null) return undefined;
    const pointers = new Map<number, { x: number; y: number }>();
    const at = (event: MouseEvent) => {
      const box = svg.getBoundingClientRect();
      return { x: event.clientX - box.left, y: event.clientY - box.top };
    };
    const wheel = (event: WheelEvent) => {
      event.preventDefault();
      const { x, y } = at(event);
      latest.current((view) => zoomed(view, Math.exp(-event.deltaY * WHEEL), x, y));
    };
    const down = (event: PointerEvent) => pointers.set(event.pointerId, at(event));
    const up = (event: PointerEvent) => pointers.delete(event.pointerId);
    const move = (event: PointerEvent) => {
      const before = pointers.get(event.pointerId);
      if (before === undefined) return;
      const now = at(event);
      const other = [...pointers].find(([id]) => id !== event.pointerId)?.[1];
      pointers.set(event.pointerId, now);
      if (other === undefined) {
        latest.current((view) => panned(view, now.x - before.x, now.y - before.y));
        return;
      }
      const spread = (point: { x: number; y: number }) =>
        Math.hypot(point.x - other.x, point.y - other.y) || 1;
      latest.current((view) => zoomed(view, spread(now) / spread(before), other.x, other.y));
    };
    svg.addEventListener("wheel", wheel, { passive: false });
    svg.addEventListener("pointerdown", down);
    window.addEventListener("pointermove", move);
    window.addEventListener("pointerup", up);
    window.addEventListener("pointercancel", up);
    return () => {
      svg.removeEventListener("wheel", wheel);
      svg.removeEventListener("pointerdown", down);
      window.removeEventListener("pointermove", move);
      window.removeEventListener("pointerup", up);
      window.removeEventListener("pointercancel", up);
    };
  }, [element]);
}
