// The CSRF token of the login. Kept in a store of this page's origin: unlike a cookie, it has a port.

let current = "";

export function csrfToken(): string {
  try {
    return localStorage.getItem(key()) ?? "";
  } catch {
    // The browser keeps nothing for this page: the login lasts until a reload.
    return current;
  }
}

export function keepCsrf(token: string): void {
  current = token;
  try {
    if (token === "") localStorage.removeItem(key());
    else localStorage.setItem(key(), token);
  } catch {
    // See csrfToken.
  }
}

// Two servers behind one proxy share an origin and differ in their path.
function key(): string {
  return `swarm-csrf ${new URL(".", location.href).pathname}`;
}
