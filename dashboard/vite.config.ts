import tailwindcss from "@tailwindcss/vite";
import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

const server = process.env.LLMLAB_URL ?? "http://127.0.0.1:8000";

export default defineConfig({
  plugins: [react(), tailwindcss()],
  resolve: { alias: { "@": new URL("./src", import.meta.url).pathname } },
  build: {
    manifest: true,
    modulePreload: { polyfill: false },
    // A data: address would need a policy of its own; a small file is as good.
    assetsInlineLimit: 0,
  },
  server: { proxy: { "/api": server, "/v1": server } },
});
