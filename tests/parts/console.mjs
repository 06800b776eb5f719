// A person at the console: does one thing in a real browser and prints what was seen as one JSON object.
// Usage: node console.mjs CHROMIUM PROFILE CONSOLE sign-in|look|ask|approve|wander [ARGUMENT]
// (HANSARD_TOKEN: what is typed into the sign-in form)
import { chromium } from "playwright-core";

const [executablePath, profile, origin, errand, argument] = process.argv.slice(2);
const quiet = ["gpu", "quic", "background-networking", "component-update", "sync"].map((what) => `--disable-${what}`);
const browser = await chromium.launchPersistentContext(profile, {
  executablePath,
  args: ["--headless", "--no-sandbox", "--no-first-run", ...quiet],
  timeout: 120_000,
});
browser.setDefaultTimeout(60_000);
const page = await browser.newPage();

// What would be a script's doing, and whatever is fetched from elsewhere.
const alarms = [];
page.on("dialog", (dialog) => (alarms.push(`dialog: ${dialog.message()}`), dialog.dismiss()));
page.on("pageerror", (error) => alarms.push(`script: ${error.message}`));
page.on("request", (request) => request.url().startsWith(`${origin}/`) || alarms.push(`elsewhere: ${request.url()}`));

async function seen() {
  const text = (selector) => page.locator(selector).allInnerTexts();
  const width = async (pixels) => {
    await page.setViewportSize({ width: pixels, height: 900 });
    return (await page.evaluate(() => document.documentElement.scrollWidth)) <= pixels;
  };
  return {
    path: new URL(page.url()).pathname,
    title: await page.title(),
    text: await page.locator("body").innerText(),
    alert: (await text("[role=alert]"))[0] ?? null,
    rows: await page.locator("tbody tr").evaluateAll((rows) => rows.map((row) => [...row.cells].map((cell) => cell.innerText))),
    messages: await text("pre"),
    marked: await text("pre mark"),
    scripts: await page.locator("script").count(),
    fits: { 1280: await width(1280), 480: await width(480) },
    styled: await page.evaluate(() => getComputedStyle(document.querySelector(".brand")).textDecorationLine === "none"),
  };
}

async function open(path) {
  await page.goto(origin + path);
  return seen();
}

async function submit(button) {
  await Promise.all([page.waitForEvent("load"), button.click()]);
  return seen();
}

async function signIn() {
  await page.goto(`${origin}/`);
  await page.getByLabel("Your token").fill(process.env.HANSARD_TOKEN ?? "");
  return submit(page.getByRole("button", { name: "Sign in" }));
}

const errands = {
  // Only the form, and what comes of it.
  "sign-in": async () => ({ signed: await signIn() }),
  // From the explorer to the exchange of the tool.
  look: async () => {
    const explorer = await signIn();
    const call = page.locator("tbody tr").filter({ hasText: argument }).first().locator("a").first();
    await Promise.all([page.waitForEvent("load"), call.click()]);
    const exchange = await seen();
    return { explorer, exchange, left: await submit(page.getByRole("button", { name: "Sign out" })) };
  },
  ask: async () => {
    await signIn();
    await page.goto(`${origin}/sql`);
    await page.getByLabel("One statement that reads").fill(argument);
    return { answer: await submit(page.getByRole("button", { name: "Ask" })) };
  },
  approve: async () => {
    await signIn();
    const inbox = await open("/approvals");
    await page.getByLabel("Comment").fill(argument);
    return { inbox, decided: await submit(page.getByRole("button", { name: "Approve" })) };
  },
  // Every page, each by its path; nobody signs in unless there is a token.
  wander: async () => {
    if (process.env.HANSARD_TOKEN) await signIn();
    const pages = [];
    for (const path of argument.split(" ")) pages.push(await open(path));
    return { pages };
  },
};

try {
  console.log(JSON.stringify({ ...(await errands[errand]()), alarms }));
} finally {
  await browser.close();
}
