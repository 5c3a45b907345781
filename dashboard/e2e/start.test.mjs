/** Onboarding: from sign-up to the first call, seen live. */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { axe, noProblems, screenshot, startBrowser, startServer } from "./harness.mjs";

let server;
let browser;

before(async () => {
  server = await startServer();
  browser = await startBrowser(server);
});
after(async () => {
  await browser?.close();
  await server?.close();
});

test("from sign-up to the first call seen live", async () => {
  const page = await browser.open();
  await page.goto("/");
  await page.waitForURL("**/login?next=%2Fapp");
  await axe(page);
  await screenshot(page, "login");
  await page.getByRole("link", { name: "Create an account" }).click();
  await axe(page);
  await screenshot(page, "signup");

  await page.getByLabel("Your name").fill("Ada");
  await page.getByLabel("Email").fill("ada@example.com");
  await page.getByLabel("Password").fill("correct horse battery");
  await page.getByRole("button", { name: "Create account" }).click();
  await page.waitForURL("**/app/start");

  const key = await page.locator("[data-key]").innerText();
  assert.match(key, /^llmlab_sk_/);
  await page.getByText("Waiting for the first call").waitFor();
  const command = await page.getByRole("group", { name: "curl command" }).innerText();
  assert.ok(command.includes(key) && command.includes(`${server.url}/api/events/track`));
  await page.locator("[data-live=live]").first().waitFor();
  await axe(page);
  await screenshot(page, "start-waiting");

  const tracked = await fetch(`${server.url}/api/events/track`, {
    method: "POST",
    headers: { Authorization: `Bearer ${key}`, "Content-Type": "application/json" },
    body: JSON.stringify({ provider: "openai", model: "gpt-4o-mini", input_tokens: 1200, output_tokens: 300 }),
  });
  assert.equal(tracked.status, 201);
  const call = page.locator("[data-first-call]");
  await call.waitFor();
  assert.match(await call.innerText(), /gpt-4o-mini[^]*\$0\.00036[^]*1,500/);
  await axe(page);
  await screenshot(page, "start-seen");

  await page.reload();
  await call.waitFor();
  assert.equal(await page.locator("[data-key]").count(), 0);
  assert.deepEqual(await page.evaluate(() => [localStorage.length, sessionStorage.length]), [0, 0]);
  assert.ok(!(await page.evaluate(() => document.cookie)).includes("ey"));
  noProblems(page);
});
