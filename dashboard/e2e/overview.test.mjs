/** Overview and Explore show the figures and the anomalies of the endpoints. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { URLSearchParams } from "node:url";
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

before(async () => {
  server = await startServer({ demo: true, env: { RATE_LIMIT_PER_MINUTE: "0" } });
  browser = await startBrowser(server);
  const login = await fetch(`${server.url}/api/auth/login`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(ADMIN),
  });
  token = (await login.json()).access_token;
});
after(async () => {
  await browser?.close();
  await server?.close();
});

async function ask(path, asked) {
  const query = asked ? { tz: TZ, ...asked } : {};
  const response = await fetch(`${server.url}${path}?${new URLSearchParams(query)}`, {
    headers: { Authorization: `Bearer ${token}` },
  });
  assert.equal(response.status, 200, path);
  return response.json();
}

/** As the page writes it for a reader of English. */
function money(value) {
  const size = Math.abs(value);
  const digits =
    size > 0 && size < 0.1
      ? { minimumSignificantDigits: 2, maximumSignificantDigits: 2 }
      : { minimumFractionDigits: 2, maximumFractionDigits: 2 };
  return new Intl.NumberFormat("en-GB", {
    style: "currency",
    currency: "USD",
    currencyDisplay: "narrowSymbol",
    ...digits,
  }).format(value);
}
const change = (value) => (value > 0 ? `+${money(value)}` : money(value));

const text = async (locator) => (await locator.innerText()).replace(/\s+/g, " ").trim();

/** The cells of the table behind a chart. */
const tableBehind = (page, title) =>
  page
    .locator("section", { has: page.getByRole("heading", { name: title, exact: true }) })
    .locator("table")
    .first()
    .evaluate((table) => [...table.rows].map((row) => [...row.cells].map((cell) => cell.textContent.trim())));

test("the overview shows what the endpoints return", async () => {
  const page = await browser.open();
  // The rest of today shrinks meanwhile, so the forecast is compared with the answer the page received.
  let forecast;
  page.on("response", async (response) => {
    if (response.url().includes("/api/costs/forecast?") && response.url().includes("period=month") && response.ok())
      forecast = await response.json();
  });
  await signIn(page, ADMIN, "/app");
  await page.locator("[data-figure=month]").waitFor();
  await settled(page);

  const midnight = new Date().toLocaleDateString("sv", { timeZone: TZ });
  const month = await ask("/api/costs/summary", { start: `${midnight.slice(0, 8)}01`, end: midnight });
  const figure = await text(page.locator("[data-figure=month]"));
  assert.ok(
    month.total_cost > 0 && figure.includes(money(month.total_cost)),
    `${figure} is not ${money(month.total_cost)}`,
  );
  assert.match(figure, /\$[\d.,]+ (more|less) than last month at this time/);
  assert.ok(
    (await text(page.locator("[data-figure=today]"))).includes(
      money((await ask("/api/costs/summary", { days: 1 })).total_cost),
    ),
  );

  const forecastText = await text(page.locator("[data-figure=forecast]"));
  for (const value of [forecast.total.expected, forecast.total.low_80, forecast.total.high_80]) {
    assert.ok(forecastText.includes(money(value)), `${forecastText} lacks ${money(value)}`);
  }

  const series = await ask("/api/costs/timeseries", { days: 30, bucket: "day", by: "model", limit: 8 });
  assert.equal(await text(page.locator("[data-total]")), money(series.total_cost));
  const [head, ...rows] = await tableBehind(page, "Spend");
  assert.deepEqual(
    head.slice(2),
    series.split.map((part) => (part.others ? "Other" : part.name)),
  );
  assert.deepEqual(
    rows.map((row) => row[1]),
    series.points.map((point) => money(point.total_cost)),
  );

  assert.ok(series.unpriced_calls > 0);
  assert.equal(await page.locator("[data-unpriced]").getAttribute("data-unpriced"), String(series.unpriced_calls));
  assert.equal(await page.getByRole("link", { name: "Add a price" }).getAttribute("href"), "/app/settings/prices");

  for (const budget of (await ask("/api/budgets")).budgets) {
    const line = page.locator(`[data-budget="${budget.name}"]`);
    assert.ok((await text(line)).includes(`${money(budget.current_spend)} of ${money(budget.limit)}`));
    const colour =
      budget.percentage_used >= 100 ? "bg-bar-bad" : budget.percentage_used >= 80 ? "bg-bar-warn" : "bg-bar-good";
    assert.equal(await line.locator(`[role=progressbar] .${colour}`).count(), 1, budget.name);
  }

  const card = page.locator("[data-advice]").first();
  assert.match(await text(card), /\$[\d.,]+ a month/);
  await card.getByText("How we worked this out").click();
  await card.locator("dl").waitFor();
  assert.match(await text(card.locator("dl")), /Calls analyzed \d/);

  await axe(page);
  await screenshot(page, "overview");
  noProblems(page);
});

test("anomalies are marked on the chart and listed with their causes", async () => {
  const page = await browser.open();
  await signIn(page, ADMIN, "/app?range=90d&by=project");
  await page.locator("[data-anomaly]").first().waitFor();
  await settled(page);
  const { anomalies } = await ask("/api/recommendations/anomalies", { days: 90 });
  const list = page.locator("[data-anomaly]");
  assert.equal(await list.count(), anomalies.length);
  assert.ok(anomalies.length > 0);
  const lines = await list.allInnerTexts();
  anomalies.forEach(({ about, cause }, index) =>
    assert.ok(lines[index].includes(about) && lines[index].includes(cause)),
  );

  const marks = page.locator("[data-mark]");
  const days = new Set(anomalies.map((one) => new Date(one.start).toLocaleDateString("sv", { timeZone: TZ })));
  assert.equal(await marks.count(), days.size);
  const box = await marks.first().boundingBox();
  await page.mouse.move(box.x + box.width / 2, box.y + box.height + 20);
  const tip = page.locator("[data-tooltip]");
  await tip.waitFor();
  const shown = await tip.innerText();
  assert.ok(
    anomalies.some(({ cause }) => shown.includes(cause)),
    shown,
  );
  noProblems(page);
});

test("explore keeps its state in the address, and the waterfall shows the endpoint's figures", async () => {
  const page = await browser.open();
  const [answer] = await Promise.all([
    page.waitForResponse(
      (response) => response.url().includes("/api/costs/compare") && response.url().includes("limit=20"),
    ),
    signIn(page, ADMIN, "/app/explore?range=30d"),
  ]);
  const comparison = await answer.json();
  await page.locator("[data-waterfall]").waitFor();
  await page.getByRole("group", { name: "Group by" }).getByText("Provider").click();
  await page.getByRole("combobox", { name: "Interval" }).selectOption("week");
  await page.getByRole("combobox", { name: "Project" }).selectOption("support bot");
  await page.getByRole("group", { name: "Show" }).getByText("Calls").click();
  await settled(page);
  const series = await ask("/api/costs/timeseries", {
    days: 30,
    bucket: "week",
    by: "provider",
    project: "support bot",
    limit: 10,
  });
  const [head, ...rows] = await tableBehind(page, "Calls over time");
  assert.deepEqual(head, ["Week", "Calls", ...series.split.map((part) => providerName(part.name))]);
  const counts = new Intl.NumberFormat("en-GB");
  assert.deepEqual(
    rows.map((row) => row[1]),
    series.points.map((point) => counts.format(point.call_count)),
  );
  assert.equal(await text(page.locator("[data-total]")), money(series.total_cost));

  const copied = await page.context().newPage();
  await copied.goto(page.url());
  await settled(copied);
  await copied.locator("[data-waterfall]").waitFor();
  assert.deepEqual(await tableBehind(copied, "Calls over time"), [head, ...rows]);
  assert.equal(await copied.getByRole("combobox", { name: "Project" }).inputValue(), "support bot");
  assert.ok(await copied.getByRole("radio", { name: "Provider" }).isChecked());
  await copied.close();

  await page.getByRole("button", { name: "Clear filters" }).click();
  await settled(page);
  const [, ...parts] = await tableBehind(page, "Compared with previous period");
  const effects = Object.values(comparison.effects).filter((value) => value !== 0);
  assert.ok(effects.length >= 3);
  assert.deepEqual(
    parts.map((row) => row[1]),
    [money(comparison.before_cost), ...effects.map(change), money(comparison.after_cost)],
  );
  assert.equal(await text(page.locator("[data-difference]")), change(comparison.difference));
  const contributors = await page
    .getByRole("table", { name: "What drove the change" })
    .locator("tbody tr")
    .allInnerTexts();
  assert.equal(contributors.length, comparison.models.length);
  comparison.models.forEach(({ model, difference }, index) => {
    assert.ok(
      contributors[index].includes(model) && contributors[index].includes(difference === 0 ? "–" : change(difference)),
    );
  });

  await page.goto("/app/explore");
  await page.locator("[data-waterfall]").waitFor();
  await axe(page);
  await screenshot(page, "explore");
  noProblems(page);
});

test("explore groups by a tag, links to the calls and exports", async () => {
  const page = await browser.open();
  await signIn(page, VIEWER, "/app/explore?by=tag&key=team");
  const groups = page.getByRole("table", { name: "Costs by tag" });
  await groups.waitFor();
  const { tag_costs } = await ask("/api/costs/by-tag", { days: 30, key: "team" });
  const lines = await groups.locator("tbody tr").allInnerTexts();
  for (const { value, total_cost } of tag_costs) {
    assert.ok(
      lines.some((line) => line.includes(value) && line.includes(money(total_cost))),
      value,
    );
  }
  await screenshot(page, "explore-tag");
  assert.equal(
    await page.getByRole("link", { name: "Calls of research" }).getAttribute("href"),
    "/app/calls?tag=team%3Aresearch",
  );

  await page.goto("/app/explore?range=7d&model=gpt-4o&compare=false");
  await page.getByRole("button", { name: "Export" }).click();
  const [file] = await Promise.all([
    page.waitForEvent("download"),
    page.getByRole("menuitem", { name: "Calls as JSON Lines" }).click(),
  ]);
  assert.match(file.suggestedFilename(), /\.jsonl$/);
  const saved = readFileSync(await file.path(), "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  const { call_count } = await ask("/api/costs/timeseries", { days: 7, model: "gpt-4o" });
  assert.equal(saved.length, call_count);
  assert.ok(saved.every((call) => call.model === "gpt-4o"));
  noProblems(page);
});

test("a new workspace leads to its first call, and too little data says so", async () => {
  const page = await browser.open();
  const joined = await fetch(`${server.url}/api/auth/signup`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({
      email: `new-${Date.now()}@example.com`,
      password: "correct horse battery",
      name: "Nora New",
    }),
  });
  assert.equal(joined.status, 200);
  const { access_token, user } = await joined.json();
  await signIn(page, { email: user.email, password: "correct horse battery" }, "/app");
  await page.getByText("No calls yet").waitFor();
  assert.equal(await page.getByRole("link", { name: "Send your first call" }).getAttribute("href"), "/app/start");
  await axe(page);
  await screenshot(page, "overview-empty");

  const tracked = await fetch(`${server.url}/api/events/track`, {
    method: "POST",
    headers: { Authorization: `Bearer ${access_token}`, "Content-Type": "application/json" },
    body: JSON.stringify({ provider: "openai", model: "gpt-4o-mini", input_tokens: 1200, output_tokens: 300 }),
  });
  assert.equal(tracked.status, 201);
  await page.locator("[data-figure=today]").waitFor();
  await page.getByText("Not enough data yet").waitFor();
  assert.match(await text(page.locator("[data-figure=today]")), /\$0\.00036/);
  await axe(page);
  await screenshot(page, "overview-first-call");
  await page.goto("/app/explore?model=nothing");
  await page.getByText("No calls match", { exact: true }).waitFor();
  await page.getByRole("button", { name: "Clear filters" }).first().click();
  await page.getByRole("table", { name: "Costs by model" }).waitFor();
  noProblems(page);
});
