/** Onboarding: from sign-up to the first call, seen live. */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { axe, noProblems, screenshot, signIn, startBrowser, startServer } from "./harness.mjs";

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

test("spans that are not understood are shown with an example", async () => {
  const page = await browser.open();
  await signIn(page, { email: "ada@example.com", password: "correct horse battery" }, "/app/start");
  await page.getByRole("button", { name: "Create another key" }).click();
  const key = await page.locator("[data-key]").innerText();
  assert.equal(await page.locator("[data-unread-spans]").count(), 0);

  const spans = (first, number) =>
    Array.from({ length: number }, (_, index) => ({
      traceId: String(first + index).padStart(32, "0"),
      spanId: String(first + index).padStart(16, "0"),
      name: "complete",
      startTimeUnixNano: "1790000000000000000",
      endTimeUnixNano: "1790000000840500000",
      attributes: [
        { key: "acme.model_name", value: { stringValue: "gpt-4o" } },
        { key: "acme.model_answer", value: { stringValue: "A private answer" } },
        { key: "acme.tokens.prompt", value: { intValue: "1200" } },
      ],
    }));
  const sent = await fetch(`${server.url}/v1/traces`, {
    method: "POST",
    headers: { Authorization: `Bearer ${key}`, "Content-Type": "application/json" },
    body: JSON.stringify({
      resourceSpans: [
        {
          scopeSpans: [
            { scope: { name: "acme.gateway" }, spans: spans(1, 12) },
            { spans: spans(13, 1) },
            ...Array.from({ length: 4 }, (_, index) => ({
              scope: { name: `${"a-very-long-name.".repeat(5)}${index}` },
              spans: spans(20 + index, 1),
            })),
          ],
        },
      ],
    }),
  });
  assert.equal(sent.status, 200);
  const card = page.locator("[data-unread-spans]");
  await card.getByText("12 spans of acme.gateway were not understood.").waitFor({ timeout: 60_000 });
  await card.getByRole("button", { name: "Show 1 more" }).click();
  await card.getByText("1 span of an instrumentation without a name was not understood.").waitFor();
  const first = card.getByRole("listitem").first();
  const example = first.getByRole("group", { name: "example of acme.gateway" });
  assert.equal(await example.isVisible(), false);
  await first.getByText("Example").click();
  assert.equal(
    await example.innerText(),
    "scope: acme.gateway\nacme.model_answer: (text removed)\nacme.model_name: gpt-4o\nacme.tokens.prompt: 1200",
  );
  await axe(page);
  await screenshot(page, "start-unread-spans");
  noProblems(page);
});
