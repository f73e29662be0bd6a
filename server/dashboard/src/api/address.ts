// Where the server's routes are: beside the page, which a proxy may serve below a path.

/** The absolute address of a route such as `/api/me`. */
export function atServer(route: string): string {
  return new URL(`.${route}`, location.href).href;
}
