/** Budgets and settings, for admins and viewers. */

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { after, before, test } from "node:test";
import { axe, expectProblem, noProblems, screenshot, settled, signIn, startBrowser, startServer } from "./harness.mjs";

const ADA = { email: "ada@example.com", password: "correct horse battery", name: "Ada" };
const VIC = { email: "vic@example.com", password: "correct horse battery", name: "Vic" };
const PAGES = [
  "workspace",
  "members",
  "projects",
  "keys",
  "provider-keys",
  "prices",
  "policy",
  "audit",
  "data",
  "account",
  "sessions",
];

let server;
let browser;
let receiver;
let received = [];
let token;
let key;

async function api(method, path, body, bearer = token) {
  const headers = { Authorization: `Bearer ${bearer}` };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const response = await fetch(server.url + path, { method, headers, body: body && JSON.stringify(body) });
  const answer = response.status === 204 ? undefined : await response.json();
  assert.ok(response.ok, `${method} ${path}: ${response.status} ${JSON.stringify(answer)}`);
  return answer;
}

const signUp = (person) => api("POST", "/api/auth/signup", person, "");
const track = (call) =>
  api(
    "POST",
    "/api/events/track",
    { provider: "openai", model: "gpt-4o", input_tokens: 1000, output_tokens: 1000, ...call },
    key,
  );

before(async () => {
  receiver = createServer((request, response) => {
    received.push(request.headers);
    request.resume().on("end", () => response.end());
  });
  await new Promise((done) => receiver.listen(0, "127.0.0.1", done));
  server = await startServer({ env: { RATE_LIMIT_PER_MINUTE: "0", ALLOW_PRIVATE_WEBHOOKS: "true" } });
  browser = await startBrowser(server);
  ({ access_token: token } = await signUp(ADA));
  await api("PATCH", "/api/workspaces/current", { name: "Example company" });
  key = (await api("POST", "/api/keys", { name: "Backend", scopes: ["events:write"] })).key;
});
after(async () => {
  await browser?.close();
  await server?.close();
  receiver?.close();
});

const toast = (page, text) => page.getByRole("status").getByText(text).first().waitFor();

test("a budget is created, exceeded by a call, and its alert arrives live", async () => {
  const page = await browser.open();
  await signIn(page, ADA, "/app/budgets");
  await page.getByText("No budgets yet").waitFor();
  await axe(page);
  await screenshot(page, "budgets-empty");

  await page.getByRole("tab", { name: "Channels" }).click();
  await page.getByText("No channels yet").waitFor();
  await page.getByRole("button", { name: "Add a channel" }).click();
  const dialog = page.locator("dialog[open]");
  await dialog.getByLabel("Name").fill("Operations");
  await dialog.getByLabel("URL").fill("ftp://127.0.0.1/hook");
  await dialog.getByRole("button", { name: "Add channel" }).click();
  await dialog.locator("[aria-invalid=true]").waitFor();
  await dialog.getByLabel("URL").fill(`http://127.0.0.1:${receiver.address().port}/hook/secret-path`);
  await dialog.getByRole("button", { name: "Add channel" }).click();
  const secret = await page.locator("[data-secret]").innerText();
  assert.match(secret, /^llmlab_whsec_/);
  await axe(page);
  await page.getByRole("button", { name: "Done" }).click();
  assert.equal(await page.locator("[data-secret]").count(), 0);
  const channel = page.locator('[data-channel="Operations"]');
  assert.ok(!(await channel.innerText()).includes("secret-path"));
  await channel.getByLabel("Digest of Operations").selectOption("weekly");
  await toast(page, "“Operations” updated");
  await channel.getByRole("button", { name: "Test Operations" }).click();
  await channel.locator("[data-test-result=delivered]").waitFor();
  assert.equal(received.length, 1);
  await axe(page);
  await screenshot(page, "budgets-channels");

  await page.getByRole("button", { name: "New budget" }).click();
  await dialog.getByLabel("Name").fill("Everything");
  await dialog.getByLabel("Limit in US dollars").fill("0.02");
  await axe(page);
  await screenshot(page, "budgets-form", { fullPage: false });
  await dialog.getByLabel("Project").fill("nowhere");
  await dialog.getByRole("button", { name: "Create budget" }).click();
  await dialog.getByRole("alert").getByText("Project not found").waitFor();
  await dialog.getByLabel("Project").fill("");
  await dialog.getByRole("button", { name: "Create budget" }).click();
  await toast(page, "“Everything” created");
  const budget = page.locator('[data-budget="Everything"]');
  await budget.getByText("Within limit").waitFor();

  // 1,000 tokens in and out of gpt-4o are $0.0125, of a limit of $0.02.
  await track();
  await budget.getByText("62.5%").waitFor();
  assert.match(await budget.innerText(), /\$0\.013\s+of \$0\.02[^]*\$0\.0075 remaining/);
  await page.getByRole("tab", { name: "Alerts" }).click();
  const alerts = page.locator("[data-alert=budget]");
  await alerts.getByText("Everything reached 50% of its limit").waitFor();
  await track();
  await alerts.getByText("Everything reached 100% of its limit").waitFor();
  await alerts.first().getByText("Operations: delivered").waitFor();
  const before = received.length;
  await alerts
    .first()
    .getByRole("button", { name: /^Send again/ })
    .click();
  await toast(page, "Sent to all channels");
  for (const until = Date.now() + 15_000; received.length === before && Date.now() < until;) await settled(page);
  assert.ok(received.length > before);
  await axe(page);
  await screenshot(page, "budgets-alerts");

  await page.getByRole("tab", { name: "Budgets" }).click();
  await budget.getByText("Exceeded").waitFor();
  await budget.getByText("$0.0050 over").waitFor();
  await budget.getByRole("button", { name: "Edit Everything" }).click();
  assert.ok(await dialog.getByLabel("Period").isDisabled());
  await dialog.getByLabel("Limit in US dollars").fill("1");
  await dialog.getByRole("button", { name: "Save" }).click();
  await budget.getByText("of $1.00").waitFor();
  await api("POST", "/api/projects", { name: "support bot" });
  await api("POST", "/api/budgets", { name: "Support", limit: 0.05, scope: { project: "support bot" }, hard: true });
  await api("POST", "/api/budgets", {
    name: "Two weeks of one model with a rather long name",
    limit: 0.01,
    period: "custom",
    custom: { start: "2026-01-05", days: 14 },
    scope: { model: "gpt-4o*", tag: "team=search" },
  });
  await track({ project: "support bot", tags: { team: "search" } });
  await track({ model: "unlisted-model", project: "support bot" });
  const call = {
    provider: "openai",
    model: "gpt-4o",
    input_tokens: 1000,
    max_output_tokens: 1000,
    project: "support bot",
  };
  await api("POST", "/api/budgets/reservations", call, key);
  await page.locator('[data-budget="Support"]').getByText("$0.013 reserved").waitFor();
  await page.locator('[data-budget="Support"]').getByText("1 unpriced call").waitFor();
  await page.locator("[data-budget]").getByText("Exceeded").waitFor();
  await axe(page);
  await screenshot(page, "budgets");

  await page.getByRole("button", { name: "Delete Support" }).click();
  await dialog.getByRole("button", { name: "Delete budget" }).click();
  await toast(page, "“Support” deleted");
  await page.locator('[data-budget="Support"]').waitFor({ state: "detached" });
  expectProblem(page, /status of (404|422)/);
  noProblems(page);
});

test("an API key is created, used, renamed and revoked", async () => {
  const page = await browser.open();
  await signIn(page, ADA, "/app/settings/keys");
  await page.getByRole("button", { name: "New key" }).click();
  const dialog = page.locator("dialog[open]");
  await dialog.getByLabel("Name").fill("Reader");
  await dialog.getByLabel("Send calls").click();
  await dialog.getByRole("button", { name: "Create key" }).click();
  await dialog.getByRole("alert").waitFor();
  await dialog.getByRole("checkbox", { name: "Read" }).click();
  await dialog.getByLabel("Expires").selectOption("30");
  await axe(page);
  await dialog.getByRole("button", { name: "Create key" }).click();
  const made = await page.locator("[data-secret]").innerText();
  await axe(page);
  await screenshot(page, "settings-key-made", { fullPage: false });
  await page.getByRole("button", { name: "Done" }).click();
  assert.ok((await api("GET", "/api/budgets", undefined, made)).budgets.length > 0);
  await page.getByRole("button", { name: "Rename Reader" }).click();
  await dialog.getByLabel("Name").fill("Reporting");
  await dialog.getByRole("button", { name: "Rename" }).click();
  await page.getByRole("button", { name: "Revoke Reporting" }).click();
  await dialog.getByRole("button", { name: "Revoke key" }).click();
  await toast(page, "“Reporting” revoked");
  assert.equal(await page.getByText("Reporting", { exact: true }).count(), 0);
  const refused = await fetch(`${server.url}/api/budgets`, { headers: { Authorization: `Bearer ${made}` } });
  assert.equal(refused.status, 401);
  expectProblem(page, /status of 422/);
  noProblems(page);
});

test("the page of the keys shows what limits refused", async () => {
  const page = await browser.open();
  await page.route("**/api/keys", async (route) => {
    const response = await route.fetch();
    const body = await response.json();
    body.keys[0].refused = [
      { limit: "guard_requests", requests: 1 },
      { limit: "ingest_events", requests: 1412 },
    ];
    await route.fulfill({ response, json: body });
  });
  await signIn(page, ADA, "/app/settings/keys");
  const cell = page.getByRole("cell", { name: /^Backend/ });
  await cell.getByText("1,412 requests were refused in the last 24 hours: the ingest limit (events)").waitFor();
  await cell.getByText("1 request was refused in the last 24 hours: the limit of budget checks").waitFor();
  await axe(page);
  await screenshot(page, "settings-keys-refused");
  noProblems(page);
});

test("an admin's settings are saved", async () => {
  const page = await browser.open();
  await signIn(page, ADA, "/app/settings/policy");
  await page.getByLabel("Blocked models").fill("gpt-3.5*\n");
  await page.getByLabel("Max tokens per call").fill("100000");
  await page.getByRole("switch", { name: "Claude Haiku 4.5" }).click();
  await page.getByRole("button", { name: "Save policy" }).click();
  await toast(page, "Policy saved");
  const settings = await api("GET", "/api/settings");
  assert.deepEqual(
    [settings.disabled_models, settings.max_tokens_per_request, settings.claude_haiku_45_enabled],
    [["gpt-3.5*"], 100000, false],
  );

  const dialog = page.locator("dialog[open]");
  await page.getByRole("link", { name: "Custom prices" }).click();
  await page.getByRole("button", { name: "Add a price" }).click();
  await dialog.getByLabel("Provider").fill("openai");
  await dialog.getByLabel("Model").fill("our-model");
  await dialog.getByText("Custom rates").click();
  await dialog.getByLabel("Input, $").fill("1.25");
  await dialog.getByLabel("Output, $").fill("10");
  await axe(page);
  await dialog.getByRole("button", { name: "Add price" }).click();
  await page.getByRole("cell", { name: "our-model OpenAI" }).waitFor();
  await api("POST", "/api/prices", { provider: "openai", model: "gpt-4o*", percent_of_list: 80 });
  await page.getByRole("button", { name: "Set end date for our-model" }).click();
  await dialog.getByRole("button", { name: "Set end date" }).click();
  await toast(page, "Price ended");

  await page.getByRole("link", { name: "Provider keys" }).click();
  await page.getByRole("button", { name: "Add a key" }).click();
  await dialog.getByLabel("Provider").fill("openai");
  await dialog.getByLabel("Key").fill("sk-test-12345678");
  await dialog.getByRole("button", { name: "Save key" }).click();
  await page.getByRole("cell", { name: "…5678" }).waitFor();

  await page.getByRole("link", { name: "Projects" }).click();
  await page.getByRole("button", { name: "New project" }).click();
  await dialog.getByLabel("Name").fill("reports");
  await dialog.getByRole("button", { name: "Create project" }).click();
  await page.getByRole("button", { name: "Archive reports" }).click();
  await page.getByRole("button", { name: "Archive reports" }).waitFor({ state: "detached" });
  await page.getByLabel("Show archived").click();
  await page.getByRole("button", { name: "Restore reports" }).waitFor();

  await page.getByRole("link", { name: "Data" }).click();
  const [file] = await Promise.all([
    page.waitForEvent("download"),
    page.getByRole("button", { name: "Download archive" }).click(),
  ]);
  assert.match(file.suggestedFilename(), /\.zip$/);
  await page.getByRole("button", { name: "Delete workspace" }).click();
  assert.ok(await dialog.getByRole("button", { name: "Delete permanently" }).isDisabled());
  await axe(page);
  await dialog.getByRole("button", { name: "Cancel" }).click();
  noProblems(page);
});

test("an invited user joins as a viewer without admin rights", async () => {
  const admin = await browser.open();
  await signIn(admin, ADA, "/app/settings/members");
  await admin.getByRole("button", { name: "Invite" }).click();
  const dialog = admin.locator("dialog[open]");
  await dialog.getByLabel("Email").fill(VIC.email);
  await dialog.getByRole("button", { name: "Create link" }).click();
  const link = await admin.locator("[data-secret]").innerText();
  await admin.getByRole("button", { name: "Done" }).click();
  await admin.getByRole("cell", { name: VIC.email, exact: true }).waitFor();
  await screenshot(admin, "settings-members-invited");

  await signUp(VIC);
  const page = await browser.open();
  await signIn(page, VIC, new URL(link).pathname);
  await page.getByRole("button", { name: "Join as Vic" }).click();
  await page.waitForURL("**/app");
  await admin.reload();
  await admin.getByLabel("Role of Vic").waitFor();
  assert.equal(await admin.getByLabel("Role of Vic").inputValue(), "viewer");
  await admin.getByLabel("Role of Ada").selectOption("viewer");
  await toast(admin, "The last admin cannot leave or be demoted");
  await admin.close();

  await page.goto("/app/budgets");
  await page.locator("[data-budget]").first().waitFor();
  for (const name of [/^New budget/, /^Edit /, /^Delete /])
    assert.equal(await page.getByRole("button", { name }).count(), 0);
  assert.equal(await page.getByRole("tab", { name: "Channels" }).count(), 0);
  await axe(page);
  await screenshot(page, "budgets-viewer");
  await page.goto("/app/budgets?tab=alerts");
  await page.locator("[data-alert]").first().waitFor();
  assert.equal(await page.getByRole("button", { name: /^Send again/ }).count(), 0);
  await page.goto("/app/budgets?tab=channels");
  await page.getByText("Only admins can view and edit alert channels").waitFor();

  for (const name of PAGES) {
    await page.goto(`/app/settings/${name}`);
    await settled(page);
    await page.locator("main section").first().waitFor();
    if (["keys", "provider-keys", "audit", "data"].includes(name)) await page.getByText("For admins only").waitFor();
    const buttons =
      /^(Invite|New (key|project)|Add|Rename|Remove|Archive|Set end date|Save policy|Delete workspace|Download)/;
    assert.equal(await page.getByRole("button", { name: buttons }).count(), 0, name);
    assert.equal(await page.getByText("Try again").count(), 0, name);
    // The other pages look the same as for admins, with fewer controls.
    if (["keys", "policy", "members"].includes(name)) {
      await axe(page);
      await screenshot(page, `settings-${name}-viewer`);
    }
  }
  noProblems(page);

  // Even if the page takes the viewer for an admin, the server refuses.
  await page.route("**/api/workspaces", async (route) => {
    const response = await route.fetch();
    const body = await response.json();
    for (const workspace of body.workspaces) workspace.role = "admin";
    await route.fulfill({ response, json: body });
  });
  await page.goto("/app/settings/keys");
  await page.getByRole("alert").getByText("Admin access required").waitFor();
  await page.goto("/app/budgets");
  await page.getByRole("button", { name: "Delete Everything" }).click();
  await page.locator("dialog[open]").getByRole("button", { name: "Delete budget" }).click();
  await page.locator("dialog[open]").getByRole("alert").getByText("Admin access required").waitFor();
  await axe(page);
  expectProblem(page, /status of 403/);
  noProblems(page);
});

test("the list of sessions signs out another browser", async () => {
  const here = await browser.open();
  const there = await browser.open({
    userAgent: "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
  });
  await signIn(there, ADA, "/app/budgets");
  await there.locator("[data-live=live]").first().waitFor();
  await signIn(here, ADA, "/app/settings/sessions");
  await here.locator("[data-session=current]").waitFor();
  await here.getByRole("button", { name: "Sign out Firefox on Linux" }).click();
  await toast(here, "Session ended");
  await there.getByText("Signed out").last().waitFor();
  await axe(there);
  expectProblem(there, /status of 401/);
  noProblems(there);
  assert.ok((await here.locator("[data-session=current]").count()) === 1);
  noProblems(here);
});

test("every settings page is accessible and fits a phone", async () => {
  const page = await browser.open();
  await signIn(page, ADA, "/app/settings");
  await page.waitForURL("**/app/settings/workspace");
  for (const name of PAGES) {
    await page.locator(`nav[aria-label=Settings] a[href="/app/settings/${name}"]`).click();
    await page.waitForURL(`**/app/settings/${name}`);
    await page.locator("main section").first().waitFor();
    await axe(page);
    await screenshot(page, `settings-${name}`);
  }
  await page.setViewportSize({ width: 360, height: 740 });
  await page.getByLabel("Settings section").selectOption("policy");
  await page.waitForURL("**/app/settings/policy");
  await page.goto("/app/settings?new=workspace");
  await page.locator("dialog[open]").getByLabel("Name").fill("Second");
  await axe(page);
  await page.locator("dialog[open]").getByRole("button", { name: "Create workspace" }).click();
  await page.getByText("“Second” created").waitFor();
  await page.waitForFunction(() => document.querySelector("input")?.value === "Second");
  noProblems(page);
});
