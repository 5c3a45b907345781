/** A real server, a real browser, and the problems both report. */

import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, "..", "..");
const screenshots = join(here, "..", "screenshots");
const python = process.env.LLMLAB_PYTHON ?? join(root, ".venv/bin/python");
const axeSource = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

export const ADMIN = { email: "admin@example.com", password: "admin123" };
/** Providers' names as the pages spell them. */
const PROVIDERS = { anthropic: "Anthropic", google: "Google", mistral: "Mistral", openai: "OpenAI" };
export const providerName = (id) => PROVIDERS[id] ?? id;

export const VIEWER = { email: "viewer@example.com", password: "viewer123" };

function freePort() {
  return new Promise((done, fail) => {
    const server = createServer().once("error", fail);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => done(port));
    });
  });
}

/** A server with an empty workspace, or with the demo's data.
 *
 * `stop()` ends it and its Postgres; `start()` restarts it with the same port and data; `close()` deletes the data.
 */
export async function startServer({ demo = false, env = {} } = {}) {
  const port = await freePort();
  // The demo's data is created once a day and reused by later runs.
  const folder = demo
    ? (process.env.LLMLAB_E2E_DATA ?? join(tmpdir(), "llmlab-e2e"))
    : mkdtempSync(join(tmpdir(), "e2e-"));
  mkdirSync(folder, { recursive: true });
  const url = `http://127.0.0.1:${port}`;
  let child;
  let output = "";

  async function start() {
    output = "";
    child = spawn(python, demo ? ["-m", "demo"] : ["main.py"], {
      cwd: root,
      env: { PATH: process.env.PATH, HOME: process.env.HOME, DATA_DIR: folder, PORT: String(port), ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const keep = (data) => (output = (output + data).slice(-20_000));
    child.stdout.on("data", keep);
    child.stderr.on("data", keep);
    const started = child;
    const until = Date.now() + (demo ? 600_000 : 60_000);
    while (Date.now() < until) {
      if (started.exitCode !== null) throw new Error(`The server ended:\n${output}`);
      const health = await fetch(`${url}/api/health`).catch(() => undefined);
      if (health?.ok) return;
      await new Promise((wait) => setTimeout(wait, 100));
    }
    throw new Error(`The server did not start:\n${output}`);
  }

  function stop() {
    if (!child || child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
    return new Promise((done) => {
      child.once("exit", done);
      child.kill("SIGTERM");
    });
  }

  async function close() {
    await stop();
    if (!demo) rmSync(folder, { recursive: true, force: true });
  }

  try {
    await start();
  } catch (error) {
    await close();
    throw error;
  }
  return { url, start, stop, close, output: () => output };
}

/** A browser. `open()` returns a page with its own session, which collects problems in `page.problems`. */
export async function startBrowser(server) {
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: process.getuid?.() === 0 ? ["--no-sandbox"] : [],
  });

  async function open({ theme = "light", ...options } = {}) {
    const context = await browser.newContext({
      baseURL: server.url,
      viewport: { width: 1440, height: 900 },
      colorScheme: theme,
      locale: "en-GB",
      timezoneId: "Europe/Berlin",
      ...options,
    });
    const page = await context.newPage();
    page.setDefaultTimeout(15_000);
    page.problems = [];
    page.expected = [];
    page.on("console", (message) => {
      if (["error", "warning"].includes(message.type())) {
        page.problems.push(`${message.type()}: ${message.text()} (${message.location().url})`);
      }
    });
    page.on("pageerror", (error) => page.problems.push(`exception: ${error.stack}`));
    page.on("response", (response) => {
      if (response.status() >= 500) page.problems.push(`${response.status()} ${response.url()}`);
    });
    page.on("request", (request) => {
      const address = request.url();
      if (!address.startsWith(server.url) && !/^(data|blob):/.test(address))
        page.problems.push(`request to ${address}`);
    });
    return page;
  }

  /** Closes all pages, which would keep sending requests. */
  const closePages = () => Promise.all(browser.contexts().map((context) => context.close()));

  return { open, closePages, close: () => browser.close() };
}

/** Ignores matching lines of `page.problems`, such as an expected 401. */
export function expectProblem(page, pattern) {
  page.expected.push(pattern);
}

/** Fails on any problem of the page: errors, warnings, policy violations, requests elsewhere. */
export function noProblems(page) {
  // The first refresh without a session answers 401.
  const expected = [/401 .*\/api\/auth\/refresh/, ...page.expected];
  const rest = page.problems.filter((problem) => !expected.some((pattern) => pattern.test(problem)));
  page.problems.length = 0;
  if (rest.length) throw new Error(`The page complained:\n${rest.join("\n")}`);
}

/** Signs in with the form. */
export async function signIn(page, { email, password }, path = "/app") {
  await page.goto(`/login?next=${encodeURIComponent(path)}`);
  await page.getByLabel("Email").fill(email);
  await page.getByLabel("Password").fill(password);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.waitForURL((url) => url.pathname + url.search === path);
}

/** Waits until everything is loaded. */
export async function settled(page) {
  await page.waitForFunction(
    () => !document.querySelector(".skeleton, [aria-busy=true]") && document.querySelector("h1"),
  );
  await page.evaluate(() => document.fonts.ready);
}

/** Waits until the page is drawn at its current size. */
const drawn = (page) =>
  page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));

async function inTheme(page, theme, work) {
  await page.emulateMedia({ colorScheme: theme, reducedMotion: "reduce" });
  await page.waitForFunction((wanted) => document.documentElement.dataset.theme === wanted, theme);
  return work();
}

/** Fails if axe-core finds a violation, in light and in dark. */
export async function axe(page) {
  await settled(page);
  const found = [];
  for (const theme of ["light", "dark"]) {
    await inTheme(page, theme, async () => {
      // Not as an element: the policy lets no script in.
      await page.evaluate(axeSource);
      const { violations } = await page.evaluate(() => window.axe.run({ resultTypes: ["violations"] }));
      for (const { id, help, nodes } of violations) {
        const places = nodes
          .slice(0, 5)
          .map((node) => `    ${node.target.join(" ")}: ${node.failureSummary?.replaceAll("\n", " ")}`);
        found.push(`${theme} ${id}: ${help} (${nodes.length})\n${places.join("\n")}`);
      }
    });
  }
  await page.emulateMedia({ colorScheme: "light", reducedMotion: "reduce" });
  if (found.length) throw new Error(`axe at ${page.url()}:\n${found.join("\n")}`);
}

/** Saves the page in light, in dark and as wide as a phone, into dashboard/screenshots. */
export async function screenshot(page, name) {
  mkdirSync(screenshots, { recursive: true });
  const size = page.viewportSize();
  const save = async (what, theme, { width, height }) => {
    await page.setViewportSize({ width, height });
    await settled(page);
    await drawn(page);
    // A viewport as high as the page keeps elements that are fixed to the bottom in place.
    const whole = await page.evaluate(() => document.documentElement.scrollHeight);
    await page.setViewportSize({ width, height: Math.max(height, whole) });
    await drawn(page);
    await inTheme(page, theme, () => page.screenshot({ path: join(screenshots, `${name}-${what}.png`) }));
  };
  await save("light", "light", size);
  await save("dark", "dark", size);
  await save("phone", "light", { width: 360, height: 740 });
  const tooWide = await page.evaluate(() => {
    const { innerWidth } = window;
    if (document.documentElement.scrollWidth <= innerWidth) return [];
    return [...document.querySelectorAll("body *")]
      .filter((element) => element.getBoundingClientRect().right > innerWidth)
      .map((element) => element.outerHTML.slice(0, 160));
  });
  await page.setViewportSize(size);
  if (tooWide.length) throw new Error(`${page.url()} is too wide for a phone:\n${tooWide.slice(0, 12).join("\n")}`);
}
