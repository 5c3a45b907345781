/** Calls, Quality and Advice show what the endpoints return. */

import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import {
  ADMIN,
  VIEWER,
  axe,
  noProblems,
  providerName,
  screenshot,
  settled,
  signIn,
  startBrowser,
  startServer,
} from "./harness.mjs";

const TZ = "Europe/Berlin";
let server;
let browser;
let token;

async function request(method, path, body) {
  return fetch(server.url + path, {
    method,
    headers: { "Content-Type": "application/json", ...(token && { Authorization: `Bearer ${token}` }) },
    body: body && JSON.stringify(body),
  });
}

async function ask(path, query = {}) {
  const response = await request("GET", `${path}?${new URLSearchParams(query)}`);
  assert.equal(response.status, 200, path);
  return response.json();
}

const number = (options) => (value) => new Intl.NumberFormat("en-GB", options).format(value);
const usd = { style: "currency", currency: "USD", currencyDisplay: "narrowSymbol" };
const count = number({ maximumFractionDigits: 0 });
const percent = (value) => number({ style: "percent", maximumFractionDigits: 1 })(value / 100);
const exactMoney = number({ ...usd, minimumFractionDigits: 2, maximumFractionDigits: 12 });
const money = (value) =>
  value !== 0 && Math.abs(value) < 0.1
    ? number({ ...usd, minimumSignificantDigits: 2, maximumSignificantDigits: 2 })(value)
    : number({ ...usd, minimumFractionDigits: 2, maximumFractionDigits: 2 })(value);
const unit = (name, maximumFractionDigits) =>
  number({ style: "unit", unit: name, unitDisplay: "short", maximumFractionDigits });
function duration(ms) {
  if (ms < 1000) return unit("millisecond", ms < 10 ? 1 : 0)(ms);
  return ms < 60_000 ? unit("second", ms < 10_000 ? 2 : 1)(ms / 1000) : unit("minute", 1)(ms / 60_000);
}

const text = async (locator) => (await locator.innerText()).replace(/\s+/g, " ").trim();
const section = (page, title) =>
  page.locator("section", { has: page.getByRole("heading", { name: title, exact: true }) });
const scrollTo = (page, top) => page.getByRole("grid").evaluate((grid, y) => grid.scrollTo({ top: y }), top);

async function recent(limit, more = {}) {
  return (await ask("/api/events", { limit, ...more })).events;
}

before(async () => {
  // The tests send more requests a minute than a person does.
  server = await startServer({ demo: true, env: { RATE_LIMIT_PER_MINUTE: "10000" } });
  browser = await startBrowser(server);
  token = (await (await request("POST", "/api/auth/login", ADMIN)).json()).access_token;
});
afterEach(() => browser.closePages());
after(async () => {
  await browser?.close();
  await server?.close();
});

test("calls are listed as the endpoint returns them, and scrolling loads more", async () => {
  const page = await browser.open();
  await signIn(page, ADMIN, "/app/calls?range=90d");
  const grid = page.getByRole("grid", { name: "Calls" });
  const newest = await recent(400);
  const first = page.locator(`[data-call="${newest[0].event_id}"]`);
  await first.waitFor();
  const cells = await text(first);
  for (const part of [
    newest[0].model,
    providerName(newest[0].provider),
    count(newest[0].total_tokens),
    money(newest[0].cost),
  ]) {
    assert.ok(cells.includes(part), `${cells} lacks ${part}`);
  }
  assert.ok((await grid.getByRole("row").count()) < 80, "rows out of sight are in the page");
  await axe(page);
  await screenshot(page, "calls");

  // Row 350 is on the fourth page, which loads on scrolling near it.
  const far = page.locator(`[data-call="${newest[350].event_id}"]`);
  for (let top = 2000; (await far.count()) === 0 && top < 40_000; top += 2000) {
    await scrollTo(page, top);
    await page.waitForTimeout(60);
  }
  assert.equal(await far.getAttribute("data-index"), "350");
  noProblems(page);
});

test("filters are part of the address and apply to exports", async () => {
  const page = await browser.open();
  await signIn(page, ADMIN, "/app/calls");
  await page.getByRole("grid").waitFor();
  await page.getByLabel("Status").selectOption("error");
  await page.getByLabel("Tag").fill("team:support");
  await page.getByLabel("Tag").press("Enter");
  await page.waitForURL(
    (url) => url.searchParams.get("status") === "error" && url.searchParams.get("tag") === "team:support",
  );
  const wanted = await recent(50, { status: "error", tag: "team:support" });
  await page.locator(`[data-call="${wanted[0].event_id}"]`).waitFor();
  const address = page.url();

  const copy = await page.context().newPage();
  await copy.goto(address);
  await copy.locator(`[data-call="${wanted[0].event_id}"]`).waitFor();
  assert.equal(await copy.getByLabel("Tag").inputValue(), "team:support");
  assert.equal(await copy.getByLabel("Status").inputValue(), "error");
  const statuses = await copy.getByRole("grid").locator("[data-call]").allInnerTexts();
  assert.ok(statuses.length > 5 && statuses.every((row) => row.includes("Error")));

  await page.getByRole("button", { name: "Export" }).click();
  const [file] = await Promise.all([
    page.waitForEvent("download"),
    page.getByRole("menuitem", { name: "JSON Lines" }).click(),
  ]);
  const chunks = [];
  for await (const chunk of await file.createReadStream()) chunks.push(chunk);
  const lines = Buffer.concat(chunks)
    .toString()
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  assert.equal(lines[0].event_id, wanted[0].event_id);
  assert.ok(lines.every((line) => line.status === "error" && line.tags.team === "support"));

  await page.getByLabel("Tag").fill("team:unknown");
  await page.getByLabel("Tag").press("Enter");
  await page.getByText("No calls match").waitFor();
  await axe(page);
  await screenshot(page, "calls-none");
  noProblems(page);
});

test("arrows and Enter open a call, which shows what the endpoint returns", async () => {
  const page = await browser.open();
  await signIn(page, ADMIN, "/app/calls");
  const newest = await recent(5);
  await page.locator(`[data-call="${newest[0].event_id}"] a`).focus();
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("ArrowDown");
  await page.waitForFunction(
    (id) => document.activeElement?.closest("[data-call]")?.getAttribute("data-call") === id,
    newest[2].event_id,
  );
  await page.keyboard.press("Enter");
  await page.waitForURL(`**/app/calls/${newest[2].event_id}`);

  const call = await ask(`/api/events/${newest[2].event_id}`);
  await page.getByRole("heading", { name: call.model, level: 1 }).waitFor();
  assert.equal(await text(page.locator("[data-call-id]")), call.event_id);
  assert.equal(await text(page.locator("[data-cost]")), exactMoney(call.cost));
  const usage = await page
    .locator("[data-usage]")
    .evaluate((table) =>
      Object.fromEntries(
        [...table.rows].map((row) => [
          row.cells[0].textContent,
          [...row.cells].slice(1).map((cell) => cell.textContent),
        ]),
      ),
    );
  assert.deepEqual(usage.Input, [count(call.input_tokens), exactMoney(call.rates.input)]);
  assert.deepEqual(usage["read from cache"], [count(call.cache_read_tokens), exactMoney(call.rates.cache_read)]);
  assert.deepEqual(usage.Output, [count(call.output_tokens), exactMoney(call.rates.output)]);
  const tags = await page.locator("[data-tag]").allInnerTexts();
  assert.deepEqual(
    tags.sort(),
    Object.entries(call.tags)
      .map(([key, value]) => `${key}:${value}`)
      .sort(),
  );
  await axe(page);
  await screenshot(page, "call");

  await page.getByRole("button", { name: "Back" }).click();
  await page.waitForURL("**/app/calls");
  noProblems(page);
});

test("a call shows its error and a missing price", async () => {
  const page = await browser.open();
  const [failed] = await recent(1, { status: "error" });
  await signIn(page, ADMIN, `/app/calls/${failed.event_id}`);
  await page.locator("[data-error]").getByText(failed.error_message).waitFor();
  const [unpriced] = await recent(1, { model: "support-7b-v3" });
  await page.goto(`/app/calls/${unpriced.event_id}`);
  await page.locator("[data-price-source]").getByText("No price").waitFor();
  assert.equal(await text(page.locator("[data-cost]")), "unpriced");
  await screenshot(page, "call-unpriced");
  await page.goto("/app/calls?model=support-7b-v3");
  const row = await text(page.locator(`[data-call="${unpriced.event_id}"]`));
  assert.ok(row.includes("unpriced") && !row.includes("$"), row);
  noProblems(page);
});

test("new calls arrive at the top without moving a scrolled list, and can be rated", async () => {
  const empty = await startServer();
  const other = await startBrowser(empty);
  try {
    const ada = { email: "ada@example.com", password: "correct horse battery", name: "Ada" };
    const call = async (method, path, body, access) => {
      const headers = { "Content-Type": "application/json", ...(access && { Authorization: `Bearer ${access}` }) };
      const response = await fetch(empty.url + path, { method, headers, body: body && JSON.stringify(body) });
      assert.ok(response.ok, `${method} ${path}: ${response.status}`);
      return response.json();
    };
    const { access_token } = await call("POST", "/api/auth/signup", ada);
    const newest = async () => (await call("GET", "/api/events?limit=1", undefined, access_token)).events[0].event_id;
    const track = (calls) => {
      const one = (_, index) => ({
        provider: "openai",
        model: "gpt-4o-mini",
        input_tokens: 10,
        output_tokens: 1,
        timestamp: new Date(Date.now() - index * 10).toISOString(),
      });
      return call("POST", "/api/events/batch", { events: Array.from({ length: calls }, one) }, access_token);
    };

    const page = await other.open();
    await signIn(page, ada, "/app/calls");
    await page.getByText("No calls in this period").waitFor();
    await page.locator("[data-live=live]").first().waitFor();
    await axe(page);
    await screenshot(page, "calls-empty");
    await track(60);
    await page.locator(`[data-call="${await newest()}"][data-index="0"]`).waitFor();
    await track(1);
    await page.locator(`[data-call="${await newest()}"][data-index="0"]`).waitFor();

    await scrollTo(page, 600);
    const inSight = () =>
      page.getByRole("grid").evaluate((grid) => {
        const top = grid.getBoundingClientRect().top + 60;
        const row = [...grid.querySelectorAll("[data-call]")].find((one) => one.getBoundingClientRect().top >= top);
        return row?.getAttribute("data-call");
      });
    const stood = await inSight();
    await track(3);
    const hint = page.getByRole("button", { name: "3 new" });
    await hint.waitFor();
    assert.equal(await inSight(), stood);
    await screenshot(page, "calls-new");
    await hint.click();
    const first = await newest();
    await page.locator(`[data-call="${first}"][data-index="0"]`).waitFor();

    await page.locator(`[data-call="${first}"]`).click();
    await page.waitForURL(`**/app/calls/${first}`);
    await page.getByRole("radio", { name: "4 of 5" }).focus();
    await page.keyboard.press("Space");
    await page.getByLabel("Comment").fill("Good enough");
    await page.getByRole("button", { name: "Save rating" }).click();
    await page.locator("[data-feedback] [data-rating='4']").getByText("Good enough").waitFor();
    const kept = await call("GET", `/api/feedback?event_id=${first}`, undefined, access_token);
    assert.deepEqual(
      kept.feedback.map(({ rating, comment }) => [rating, comment]),
      [[4, "Good enough"]],
    );
    noProblems(page);
  } finally {
    await other.close();
    await empty.close();
  }
});

test("Quality shows the endpoint's figures, and viewers see no ratings of others", async () => {
  const page = await browser.open();
  await signIn(page, ADMIN, "/app/quality?range=90d");
  const query = { days: 90, tz: TZ };
  const [summary, latency, quality, errors] = await Promise.all(
    ["summary", "latency", "quality", "error-rate"].map((name) => ask(`/api/metrics/${name}`, query)),
  );
  await settled(page);
  const figures = await text(page.locator("[data-figures]"));
  const wanted = [
    count(summary.call_count),
    percent(summary.error_rate),
    ...["p50", "p95", "p99"].map((name) => duration(latency[name])),
  ];
  for (const part of wanted) assert.ok(figures.includes(part), `${figures} lacks ${part}`);
  const good = await text(section(page, "Cost per good answer"));
  for (const row of quality.data)
    assert.ok(good.includes(`${money(row.cost_per_good_answer)}`), `${good} lacks ${row.cost_per_good_answer}`);
  const byModel = await text(section(page, "Latency by model"));
  for (const row of latency.by_model)
    assert.ok(
      byModel.includes(`${duration(row.p50)} ${duration(row.p95)} ${duration(row.p99)}`),
      `${byModel} lacks ${row.model}`,
    );
  const days = await section(page, "Error rate per day")
    .locator("tbody tr")
    .evaluateAll((rows) => rows.map((row) => row.cells[1].textContent));
  assert.deepEqual(
    days,
    errors.data.map((day) => percent(day.error_rate)),
  );
  await axe(page);
  await screenshot(page, "quality");
  noProblems(page);

  const viewer = await browser.open();
  await signIn(viewer, VIEWER, "/app/quality");
  await settled(viewer);
  assert.equal(await section(viewer, "Feedback").count(), 0);
  const [call] = await recent(1);
  await viewer.goto(`/app/calls/${call.event_id}`);
  await viewer.getByRole("button", { name: "Save rating" }).waitFor();
  noProblems(viewer);
});

test("Advice shows the savings, causes and probabilities of the endpoints", async () => {
  const page = await browser.open();
  // Forecasts change by the minute, so the page is compared with the answer it received.
  const answerTo = async (path, work) => {
    const [response] = await Promise.all([page.waitForResponse((one) => new URL(one.url()).pathname === path), work()]);
    await settled(page);
    return response.json();
  };
  const tab = (name) => () => page.getByRole("tab", { name }).click();
  const switches = await answerTo("/api/recommendations/model-switching", () => signIn(page, ADMIN, "/app/advice"));
  assert.equal(await text(page.locator("[data-potential]")), money(switches.total_potential_savings));
  const best = switches.recommendations[0];
  const item = page.locator("[data-item=switch]").first();
  assert.ok((await text(item)).startsWith(`${best.current_model} ${best.suggested_model}`), await text(item));
  assert.equal(await text(item.locator("[data-saving]")), `${money(best.estimated_monthly_savings)} a month`);
  for (const part of [
    money(best.savings_low),
    money(best.savings_high),
    money(best.projected_cost),
    percent(best.fitting_calls),
    best.use_case,
  ]) {
    assert.ok((await text(item)).includes(part), `${await text(item)} lacks ${part}`);
  }
  await page.locator("summary", { hasText: "Assumptions" }).click();
  await page.locator("[data-basis]").getByText(switches.basis.assumptions[0]).waitFor();
  await page.locator("summary", { hasText: "without a suggestion" }).click();
  await page.locator("[data-left-out]").getByText(switches.left_out[0].model).waitFor();

  await axe(page);
  await screenshot(page, "advice-models");

  const advice = await answerTo("/api/recommendations", tab("Waste"));
  const savings = await page.locator("[data-item=saving]").allInnerTexts();
  assert.equal(savings.length, advice.optimizations.length);
  advice.optimizations.forEach((one, index) => assert.ok(savings[index].includes(one.description), savings[index]));
  assert.equal(await page.locator("[data-missing]").count(), advice.missing_evidence.length);
  const third = await page.locator("[data-item=saving]").nth(2).getAttribute("id");
  await axe(page);
  await screenshot(page, "advice-savings");

  const unusual = await answerTo("/api/recommendations/anomalies", tab("Anomalies"));
  const causes = await page.locator("[data-cause]").allInnerTexts();
  assert.deepEqual(
    causes,
    unusual.anomalies.slice(0, 8).map((one) => one.cause),
  );

  await axe(page);
  await screenshot(page, "advice-anomalies");

  const outlook = await answerTo("/api/costs/forecast", () => page.goto("/app/advice#forecast"));
  await page.locator("[data-band]").first().waitFor();
  const forecast = await text(page.locator("[data-forecast]"));
  for (const name of ["expected", "low_80", "high_80", "low_95", "high_95"]) {
    assert.ok(forecast.includes(money(outlook.total[name])), `${forecast} lacks ${name}`);
  }
  const record = await text(section(page, "Accuracy"));
  for (const one of outlook.backtest) assert.ok(record.includes(money(one.mae)), `${record} lacks ${one.model}`);
  const budgets = await text(section(page, "Budgets"));
  for (const one of outlook.budgets)
    assert.ok(budgets.includes(one.exceeded ? "Exceeded" : percent(one.probability * 100)), budgets);
  assert.equal(await page.locator("[data-band]").count(), 2);
  await axe(page);
  await screenshot(page, "advice-forecast");

  // Each item has its own address, which scrolls to it, highlights and opens it.
  await page.goto(`/app/advice#${third}`);
  await page.locator(`[id="${third}"][aria-current] details[open]`).waitFor();
  noProblems(page);
});
