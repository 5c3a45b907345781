/** The session renewed and ended, and the server stopped and started. */

import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { axe, expectProblem, noProblems, screenshot, signIn, startBrowser, startServer } from "./harness.mjs";

const ADA = { email: "ada@example.com", password: "correct horse battery", name: "Ada" };
const ADA_LOGIN = { email: ADA.email, password: ADA.password };
let server;
let browser;

/** Calls the API as an application would. */
async function ask(method, path, { body, token } = {}) {
  const response = await fetch(server.url + path, {
    method,
    headers: { "Content-Type": "application/json", ...(token && { Authorization: `Bearer ${token}` }) },
    body: body && JSON.stringify(body),
  });
  assert.ok(response.ok, `${method} ${path}: ${response.status}`);
  return response.status === 204 ? undefined : response.json();
}

before(async () => {
  server = await startServer();
  browser = await startBrowser(server);
  await ask("POST", "/api/auth/signup", { body: ADA });
});
afterEach(() => browser.closePages());
after(async () => {
  await browser?.close();
  await server?.close();
});

test("a wrong password shows the server's message", async () => {
  const page = await browser.open();
  await page.goto("/login");
  await page.getByLabel("Email").fill(ADA.email);
  await page.getByLabel("Password").fill("wrong");
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("alert").getByText("Invalid email or password").waitFor();
  await axe(page);
  await screenshot(page, "login-refused");
  expectProblem(page, /401 .*\/api\/auth\/login/);
  noProblems(page);
});

test("signing in never redirects to another site", async () => {
  const page = await browser.open();
  for (const next of ["https://example.com/app", "//example.com/app", "/\\example.com/app", "javascript:alert(1)"]) {
    await page.goto(`/login?next=${encodeURIComponent(next)}`);
    await page.getByLabel("Email").fill(ADA.email);
    await page.getByLabel("Password").fill(ADA.password);
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.waitForURL(`${server.url}/app`);
    await page.getByRole("button", { name: /Account/ }).click();
    await page.getByRole("menuitem", { name: "Sign out" }).click();
    await page.waitForURL("**/login?**");
  }
  noProblems(page);
});

test("a session survives reloads in several tabs until one signs out", async () => {
  const page = await browser.open();
  await signIn(page, ADA);
  const other = await page.context().newPage();
  for (let round = 0; round < 3; round++) {
    await Promise.all([page.reload(), other.goto(`${server.url}/app/calls`)]);
    for (const tab of [page, other]) await tab.getByRole("button", { name: /Account: Ada/ }).waitFor();
  }
  await page.getByRole("button", { name: /Account/ }).click();
  await page.getByRole("menuitem", { name: "Sign out" }).click();
  await page.waitForURL("**/login?**");
  await other.waitForURL("**/login?next=%2Fapp%2Fcalls");
  await page.reload();
  await page.getByRole("button", { name: "Sign in" }).waitFor();
  noProblems(page);
});

test("an ended session says so, and signing in returns to the page", async () => {
  const page = await browser.open();
  await signIn(page, ADA, "/app/explore?range=7d");
  await page.locator("[data-live=live]").first().waitFor();
  const { access_token } = await ask("POST", "/api/auth/login", { body: ADA_LOGIN });
  await ask("DELETE", "/api/auth/sessions", { token: access_token });
  await page.getByRole("heading", { name: "Signed out" }).waitFor();
  await axe(page);
  await screenshot(page, "session-over");
  await page.getByRole("link", { name: "Sign in again" }).click();
  await page.getByLabel("Email").fill(ADA.email);
  await page.getByLabel("Password").fill(ADA.password);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.waitForURL(`${server.url}/app/explore?range=7d`);
  expectProblem(page, /401 /);
  noProblems(page);
});

test("the page recovers by itself after the server restarts", async () => {
  const page = await browser.open();
  await signIn(page, ADA, "/app/start");
  const live = page.locator("[data-live=live]").first();
  await live.waitFor();
  const key = await page.locator("[data-key]").innerText();
  await server.stop();
  await page.locator("[data-live=away]").first().waitFor();
  await screenshot(page, "server-away");
  await server.start();
  await live.waitFor();
  await ask("POST", "/api/events/track", {
    token: key,
    body: { provider: "openai", model: "gpt-4o", input_tokens: 10, output_tokens: 5 },
  });
  await page.locator("[data-first-call]").getByText("gpt-4o").waitFor();
  expectProblem(page, /ERR_CONNECTION_REFUSED|ERR_INCOMPLETE_CHUNKED|ERR_CONNECTION_RESET|ERR_EMPTY_RESPONSE/);
  noProblems(page);
});

test("the menu on a phone works by mouse and keyboard", async () => {
  const page = await browser.open({ viewport: { width: 360, height: 740 } });
  await signIn(page, ADA);
  await page.getByRole("button", { name: "Menu" }).focus();
  await page.keyboard.press("Enter");
  const drawer = page.getByRole("dialog", { name: "Menu" });
  await drawer.waitFor();
  await axe(page);
  await drawer.getByRole("button", { name: /Account/ }).click();
  await page.getByRole("menuitemradio", { name: "Dark" }).click();
  assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), "dark");
  await page.reload();
  await page.getByRole("heading", { name: "Overview" }).waitFor();
  assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), "dark");
  await page.getByRole("button", { name: "Menu" }).click();
  await drawer.getByRole("link", { name: "Quality" }).click();
  await page.waitForURL("**/app/quality");
  await drawer.waitFor({ state: "hidden" });
  noProblems(page);
});
