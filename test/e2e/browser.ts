import type { ExecutionContext } from 'ava';
import { chromium, type Page } from 'playwright-core';
import { chromiumPath } from '../needs.js';

const FLAGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** A page that was watched: what it complained of, and what it asked for elsewhere. */
export interface WatchedPage {
  readonly page: Page;
  readonly complaints: string[];
}

/**
 * A page in the system's Chromium, closed after the test.
 * @param allowed what the addresses of requests begin with; others are complaints
 * @param window its size; one narrower than 600 pixels is a phone's, with a touch screen
 */
export async function watchedPage(
  t: ExecutionContext,
  allowed: readonly string[],
  window = { width: 1280, height: 900 },
): Promise<WatchedPage> {
  const executablePath = chromiumPath();
  if (executablePath === undefined) throw new Error('the test must be declared as needing Chromium');
  const isPhone = window.width < 600;
  const browser = await chromium.launch({ executablePath, args: FLAGS });
  t.teardown(() => browser.close());
  const page = await browser.newPage({ viewport: window, hasTouch: isPhone, isMobile: isPhone });
  const complaints: string[] = [];
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('request', (request) => {
    if (!allowed.some((start) => request.url().startsWith(start))) complaints.push(`asked for ${request.url()}`);
  });
  return { page, complaints };
}

/** How many pixels of a chart are coloured: its lines are, its axes and its grid are not. */
export async function colouredPixels(page: Page, chart: string): Promise<number> {
  const counted: unknown = await page.evaluate(`(() => {
    const canvas = document.querySelector('[aria-labelledby="${chart}"] canvas');
    if (canvas === null) return 0;
    const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    let coloured = 0;
    for (let at = 0; at < data.length; at += 4) {
      const rgb = [data[at], data[at + 1], data[at + 2]];
      if (data[at + 3] > 0 && Math.max(...rgb) - Math.min(...rgb) > 60) coloured++;
    }
    return coloured;
  })()`);
  return Number(counted);
}

/** Waits until an expression is true on the page. Playwright's own wait is code from a text, which the page forbids. */
export async function holds(page: Page, expression: string): Promise<void> {
  for (let tries = 0; tries < 600; tries++) {
    if ((await page.evaluate(expression)) === true) return;
    await page.waitForTimeout(50);
  }
  throw new Error(`is not so: ${expression}`);
}
