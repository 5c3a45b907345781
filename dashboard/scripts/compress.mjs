/** Writes .br and .gz beside every file over 1 KB of dist, and fails if the first load is too heavy. */

import { readFileSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

const FIRST_LOAD_BYTES = 250_000;
const dist = new URL("../dist/", import.meta.url).pathname;

const manifest = JSON.parse(readFileSync(join(dist, ".vite/manifest.json"), "utf8"));
rmSync(join(dist, ".vite"), { recursive: true });

const sizes = new Map();
for (const entry of readdirSync(dist, { recursive: true })) {
  const path = join(dist, entry);
  if (!statSync(path).isFile()) continue;
  const content = readFileSync(path);
  const gzip = gzipSync(content, { level: 9 });
  const brotli = brotliCompressSync(content, { params: { [constants.BROTLI_PARAM_SIZE_HINT]: content.length } });
  sizes.set(entry, { gzip: gzip.length, brotli: brotli.length });
  if (content.length <= 1024) continue;
  writeFileSync(`${path}.gz`, gzip);
  writeFileSync(`${path}.br`, brotli);
}

/** The scripts a page needs before it can be used: the entry's, and those of the pages named. */
function scripts(...entries) {
  const seen = new Set();
  const add = (key) => {
    if (seen.has(key)) return;
    seen.add(key);
    manifest[key].imports?.forEach(add);
  };
  entries.forEach(add);
  return [...new Set([...seen].map((key) => manifest[key].file))].filter((file) => file.endsWith(".js"));
}

const show = (name, files) => {
  const [gzip, brotli] = ["gzip", "brotli"].map((kind) => files.reduce((sum, file) => sum + sizes.get(file)[kind], 0));
  console.log(
    `${name.padEnd(22)} ${(gzip / 1000).toFixed(1).padStart(6)} KB gzip ${(brotli / 1000).toFixed(1).padStart(6)} KB brotli`,
  );
  return gzip;
};

const first = show("first load", scripts("index.html"));
let heaviest = first;
for (const [key, { isDynamicEntry }] of Object.entries(manifest)) {
  if (isDynamicEntry && key.startsWith("src/pages/")) {
    heaviest = Math.max(heaviest, show(`with ${key.split("/")[2]}`, scripts("index.html", key)));
  }
}
if (heaviest > FIRST_LOAD_BYTES) {
  console.error(`The first load must not be over ${FIRST_LOAD_BYTES / 1000} KB of compressed JavaScript`);
  process.exit(1);
}
