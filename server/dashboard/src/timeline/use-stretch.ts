// Zoom of the time axis: Ctrl and the wheel, or a pinch, at the pointer; the wheel sideways moves; a drag picks a stretch.
import type { RefObject } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { between, type Stretch, shifted, stretched } from "./stretch.ts";

export interface Axis extends Stretch {
  /** Where the axis begins and how long it is. */
  readonly leftPx: number;
  readonly roomPx: number;
}

export interface Picked {
  readonly fromPx: number;
  readonly toPx: number;
}

const WHEEL = 0.0016;
// Less than this is a click with a trembling hand.
const DRAG_PX = 6;

export function timeAt(axis: Axis, px: number): number {
  const share = Math.min(1, Math.max(0, (px - axis.leftPx) / axis.roomPx));
  return axis.fromMs + share * (axis.toMs - axis.fromMs);
}

/** Calls `change` with each new stretch; returns what a drag has picked so far. */
export function useStretch(
  element: RefObject<SVGSVGElement | null>,
  axis: Axis,
  change: (stretch: Stretch) => void,
): Picked | null {
  const [picked, setPicked] = useState<Picked | null>(null);
  const latest = useRef({ axis, change });
  latest.current = { axis, change };
  useEffect(() => {
    const svg = element.current;
    if (svg === null) return undefined;
    let begunPx: number | null = null;
    let dragged = false;
    const at = (event: MouseEvent) => event.clientX - svg.getBoundingClientRect().left;
    const wheel = (event: WheelEvent) => {
      const { axis, change } = latest.current;
      if (event.ctrlKey || event.metaKey) {
        event.preventDefault();
        change(stretched(axis, Math.exp(event.deltaY * WHEEL), timeAt(axis, at(event))));
      } else if (Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
        event.preventDefault();
        change(shifted(axis, (event.deltaX * (axis.toMs - axis.fromMs)) / axis.roomPx));
      }
    };
    const down = (event: PointerEvent) => {
      dragged = false;
      // A finger scrolls the page.
      const px = at(event);
      begunPx =
        event.button === 0 && event.pointerType !== "touch" && px >= latest.current.axis.leftPx ? px : null;
    };
    const move = (event: PointerEvent) => {
      if (begunPx === null) return;
      dragged = dragged || Math.abs(at(event) - begunPx) >= DRAG_PX;
      if (dragged) setPicked({ fromPx: begunPx, toPx: at(event) });
    };
    const up = (event: PointerEvent) => {
      if (begunPx !== null && dragged) {
        const { axis, change } = latest.current;
        change(between(timeAt(axis, begunPx), timeAt(axis, at(event))));
      }
      begunPx = null;
      setPicked(null);
    };
    // A drag that ends on a bar is not a click on it.
    const click = (event: MouseEvent) => dragged && event.preventDefault();
    const none = (event: Event) => event.preventDefault();
    svg.addEventListener("wheel", wheel, { passive: false });
    svg.addEventListener("pointerdown", down);
    svg.addEventListener("click", click);
    svg.addEventListener("dragstart", none);
    window.addEventListener("pointermove", move);
    window.addEventListener("pointerup", up);
    return () => {
      svg.removeEventListener("wheel", wheel);
      svg.removeEventListener("pointerdown", down);
      svg.removeEventListener("click", click);
      svg.removeEventListener("dragstart", none);
      window.removeEventListener("pointermove", move);
      window.removeEventListener("pointerup", up);
    };
  }, [element]);
  return picked;
}
