// Pan and zoom: where the drawing stands in the window. Pure.

export interface Viewport {
  /** A point p of the drawing is shown at p * scale + (x, y). */
  readonly x: number;
  readonly y: number;
  readonly scale: number;
}

export interface Box {
  readonly width: number;
  readonly height: number;
}

export const SMALLEST = 0.02;
export const LARGEST = 2.5;
const MARGIN_PX = 20;

export function panned(view: Viewport, byX: number, byY: number): Viewport {
  return { ...view, x: view.x + byX, y: view.y + byY };
}

/** Zoomed so that what is at that point of the window stays there. */
export function zoomed(view: Viewport, factor: number, atX: number, atY: number): Viewport {
  const scale = Math.min(LARGEST, Math.max(SMALLEST, view.scale * factor));
  const ratio = scale / view.scale;
  return { scale, x: atX - (atX - view.x) * ratio, y: atY - (atY - view.y) * ratio };
}

/** The whole drawing in the middle, never larger than life. */
export function fitted(drawing: Box, window: Box): Viewport {
  if (drawing.width <= 0 || drawing.height <= 0) return { x: MARGIN_PX, y: MARGIN_PX, scale: 1 };
  const [across, down] = [window.width - 2 * MARGIN_PX, window.height - 2 * MARGIN_PX];
  const scale = Math.min(
    LARGEST,
    Math.max(SMALLEST, Math.min(1, across / drawing.width, down / drawing.height)),
  );
  const place = (room: number, size: number) => (room - size * scale) / 2;
  return { scale, x: place(window.width, drawing.width), y: place(window.height, drawing.height) };
}

/** The whole drawing if that can be read, else the part around the focus, with no more blank than there must be. */
export function opened(drawing: Box, window: Box, least: number, focus: { x: number; y: number }): Viewport {
  const whole = fitted(drawing, window);
  if (whole.scale >= least) return whole;
  const place = (room: number, size: number, at: number) => {
    if (size * least <= room - 2 * MARGIN_PX) return (room - size * least) / 2;
    return Math.min(MARGIN_PX, Math.max(room - size * least - MARGIN_PX, room / 2 - at * least));
  };
  return {
    scale: least,
    x: place(window.width, drawing.width, focus.x),
    y: place(window.height, drawing.height, focus.y),
  };
}

/** That point of the drawing in the middle of the window. */
export function centred(view: Viewport, x: number, y: number, window: Box): Viewport {
  return { ...view, x: window.width / 2 - x * view.scale, y: window.height / 2 - y * view.scale };
}

// What is a little outside is drawn too, so that a pan shows no blank.
const NEAR_PX = 100;

/** Whether a box around a point of the drawing is at least partly in the window, or near it. */
export function inView(view: Viewport, window: Box, at: Box & { x: number; y: number }): boolean {
  const left = (at.x - at.width / 2) * view.scale + view.x;
  const top = (at.y - at.height / 2) * view.scale + view.y;
  return (
    left < window.width + NEAR_PX &&
    top < window.height + NEAR_PX &&
    left + at.width * view.scale > -NEAR_PX &&
    top + at.height * view.scale > -NEAR_PX
  );
}
