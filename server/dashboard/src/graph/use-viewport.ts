// The viewport of a graph: fitted to each new layout, moved by pointer, wheel and keys.
import type { RefObject } from "preact";
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { bind } from "../state/keys.ts";
import type { Layout, Placed } from "./layout.ts";
import { usePanZoom } from "./use-pan-zoom.ts";
import { type Box, centred, fitted, opened, type Viewport, zoomed } from "./viewport.ts";

// On opening, words should be readable, even if not all fits.
const LEAST_AT_FIRST = 0.5;
const LEAST_TO_READ = 0.8;
const STEP = 1.3;

export interface ViewportControl {
  readonly view: Viewport;
  readonly box: Box;
  readonly zoomIn: () => void;
  readonly zoomOut: () => void;
  readonly showAll: () => void;
}

export function useViewport(
  svg: RefObject<SVGSVGElement | null>,
  layout: Layout,
  found: Placed | null,
  /** Where to look first. */
  focus: Placed | null,
): ViewportControl {
  const [box, setBox] = useState<Box>({ width: 800, height: 500 });
  const [view, setView] = useState<Viewport>({ x: 20, y: 20, scale: 1 });
  usePanZoom(svg, setView);
  useEffect(() => {
    if (svg.current === null) return undefined;
    const observer = new ResizeObserver(() => setBox(sizeOf(svg.current)));
    observer.observe(svg.current);
    return () => observer.disconnect();
  }, [svg]);
  const { width, height } = layout;
  const first = useRef(focus);
  first.current = focus;
  // A picture of another size is opened anew; one whose statuses change stays where it is.
  useEffect(
    () =>
      setView(
        opened({ width, height }, sizeOf(svg.current), LEAST_AT_FIRST, first.current ?? { x: 0, y: 0 }),
      ),
    [svg, width, height],
  );
  useEffect(() => {
    if (found === null) return;
    const { x, y } = found;
    setView((now) =>
      centred({ ...now, scale: Math.max(now.scale, LEAST_TO_READ) }, x, y, sizeOf(svg.current)),
    );
  }, [svg, found]);
  const zoom = useCallback(
    (factor: number) =>
      setView((now) => {
        const { width: w, height: h } = sizeOf(svg.current);
        return zoomed(now, factor, w / 2, h / 2);
      }),
    [svg],
  );
  const zoomIn = useCallback(() => zoom(STEP), [zoom]);
  const zoomOut = useCallback(() => zoom(1 / STEP), [zoom]);
  const showAll = useCallback(
    () => setView(fitted({ width, height }, sizeOf(svg.current))),
    [svg, width, height],
  );
  useEffect(
    () =>
      bind([
        { keys: "+", what: "Zoom in", run: zoomIn },
        { keys: "-", what: "Zoom out", run: zoomOut },
        { keys: "0", what: "Show the whole graph", run: showAll },
      ]),
    [zoomIn, zoomOut, showAll],
  );
  return { view, box, zoomIn, zoomOut, showAll };
}

function sizeOf(svg: SVGSVGElement | null): Box {
  return { width: svg?.clientWidth || 800, height: svg?.clientHeight || 500 };
}
