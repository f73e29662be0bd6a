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
export function fitted(drawing: Box, window: Box, least = SMALLEST): Viewport {
  if (drawing.width <= 0 || drawing.height <= 0) return { x: MARGIN_PX, y: MARGIN_PX, scale: 1 };
  const scale = Math.max(
    least,
    Math.min(
      1,
      (window.width - 2 * MARGIN_PX) / drawing.width,
      (window.height - 2 * MARGIN_PX) / drawing.height,
    ),
  );
  // What does not fit begins at its beginning.
  const place = (room: number, size: number) => Math.max(MARGIN_PX, (room - size * scale) / 2);
  return { scale, x: place(window.width, drawing.width), y: place(window.height, drawing.height) };
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
