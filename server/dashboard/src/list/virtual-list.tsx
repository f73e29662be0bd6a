// A list of any length that draws only what is in view.
import type { ComponentChildren, RefObject } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { type Rows, rowsInView } from "./window.ts";

export interface VirtualListProps {
  total: number;
  rowPx: number;
  draw: (index: number) => ComponentChildren;
  /** Told which rows are drawn, to load them. */
  onRows?: (rows: Rows) => void;
  onScroll?: (element: HTMLElement) => void;
  scroller: RefObject<HTMLDivElement | null>;
  class?: string;
  /** Attributes of the scrolling element: roles, labels, keys. */
  attributes?: Record<string, unknown>;
}

export function VirtualList(props: VirtualListProps) {
  const { total, rowPx, scroller } = props;
  const [view, setView] = useState({ scrollPx: 0, viewPx: 600 });
  const measure = useRef<() => void>(() => undefined);
  measure.current = () => {
    const element = scroller.current;
    if (element === null) return;
    setView((known) =>
      known.scrollPx === element.scrollTop && known.viewPx === element.clientHeight
        ? known
        : { scrollPx: element.scrollTop, viewPx: element.clientHeight },
    );
    props.onScroll?.(element);
  };
  useEffect(() => {
    const element = scroller.current;
    if (element === null) return undefined;
    const observer = new ResizeObserver(() => measure.current());
    observer.observe(element);
    return () => observer.disconnect();
  }, [scroller]);
  // A list that got shorter was scrolled by the browser without an event.
  useLayoutEffect(() => measure.current(), [total, rowPx]);

  const rows = rowsInView(view.scrollPx, view.viewPx, rowPx, total);
  const { onRows } = props;
  useEffect(() => onRows?.({ first: rows.first, end: rows.end }), [rows.first, rows.end, onRows]);
  const drawn = [];
  for (let index = rows.first; index < rows.end; index++) drawn.push(props.draw(index));
  return (
    <div
      class={`virtual ${props.class ?? ""}`}
      ref={scroller}
      onScroll={() => measure.current()}
      {...props.attributes}
    >
      <div class="virtual-space" role="presentation" style={{ height: `${total * rowPx}px` }}>
        <div
          class="virtual-rows"
          role="presentation"
          style={{ transform: `translateY(${rows.first * rowPx}px)` }}
        >
          {drawn}
        </div>
      </div>
    </div>
  );
}
