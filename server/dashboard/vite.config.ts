/// <reference types="vitest/config" />
// Builds into the Python package, so that whoever installs it needs no node. The same sources always make
// the same files: `make check-web` compares.
import { defineConfig } from "vite";

export default defineConfig({
  // Relative, so that a proxy may serve the page below a path.
  base: "./",
  build: {
    outDir: "../swarmd/web/static",
    emptyOutDir: true,
    target: "es2022",
    modulePreload: { polyfill: false },
    // Nothing may come as a data: URL but pictures; the page's policy allows no others.
    assetsInlineLimit: 0,
    reportCompressedSize: false,
  },
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  worker: { format: "es" },
  test: { environment: "happy-dom", css: true, include: ["tests/**/*.test.{ts,tsx}"] },
});
