import { documentation } from '../documentation.ts';

/** The status page's headers: it may not load anything except this server's status. */
export const pageHeaders: Readonly<Record<string, string>> = {
  'content-type': 'text/html; charset=utf-8',
  'content-security-policy':
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'referrer-policy': 'no-referrer',
};

const style = `
:root{color-scheme:light dark;--bg:#f6f7f9;--card:#fff;--text:#1a1d21;--dim:#5b6470;--line:#d9dde3;
--healthy:#1a7f37;--degraded:#9a6700;--unhealthy:#c4212f;--unknown:#6a737d}
@media(prefers-color-scheme:dark){:root{--bg:#0f1216;--card:#181c22;--text:#e6e9ed;--dim:#9aa4b0;--line:#2c333c;
--healthy:#3fb950;--degraded:#d29922;--unhealthy:#f8655c;--unknown:#8b949e}}
*{box-sizing:border-box}
body{margin:0;padding:1rem;background:var(--bg);color:var(--text);font:16px/1.45 system-ui,sans-serif}
main{max-width:60rem;margin:0 auto}
header{display:flex;flex-wrap:wrap;gap:.25rem 1rem;align-items:baseline;margin-bottom:1rem}
h1{font-size:1.25rem;margin:0}
h2{font-size:1.05rem;margin:0;overflow-wrap:anywhere}
.dim{color:var(--dim);font-size:.875rem}
.card{background:var(--card);border:1px solid var(--line);border-left-width:.35rem;border-radius:.5rem;
margin-bottom:.5rem}
.card>section,.card summary,.card .body{padding:.5rem 1rem}
.card .body{padding-top:0}
summary{cursor:pointer;border-radius:.4rem}summary:focus-visible,a:focus-visible{outline:2px solid var(--text)}
summary .top{display:inline-flex;width:calc(100% - 1.25rem);vertical-align:top}
a{color:inherit}
form{display:flex;flex-wrap:wrap;gap:.5rem;align-items:center;margin-bottom:.75rem}
input[type=search]{flex:1 1 12rem;min-width:0}
input{font:inherit;padding:.35rem .6rem;border:1px solid var(--line);border-radius:.4rem;background:var(--card);color:inherit}
.top{display:flex;flex-wrap:wrap;gap:.25rem .75rem;align-items:baseline;justify-content:space-between}
.state{font-weight:600}
.healthy{--state:var(--healthy)}.degraded{--state:var(--degraded)}.unhealthy{--state:var(--unhealthy)}
.unknown{--state:var(--unknown)}
.card{border-left-color:var(--state,var(--line))}.state{color:var(--state,var(--text))}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.1rem .75rem;margin:.5rem 0 0;font-size:.9rem}
dt{color:var(--dim)}dd{margin:0;overflow-wrap:anywhere}
.history{display:flex;gap:2px;height:1.1rem;margin-top:.6rem}
.history i{flex:1 1 0;max-width:.6rem;border-radius:1px;background:var(--healthy)}
.history .f{background:var(--unhealthy)}.history .t{background:var(--degraded)}
#lost{display:none;background:var(--unhealthy);color:#fff;padding:.5rem 1rem;border-radius:.5rem;margin-bottom:.75rem}
#lost.on{display:block}
`;

// Everything from the server is inserted through textContent, so names can never become markup.
const script = `
'use strict';
const get = (id) => document.getElementById(id);
const make = (tag, className, text) => {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  return element;
};
const states = ['unknown', 'healthy', 'degraded', 'unhealthy'];
const marks = { p: 'passed', f: 'failed', t: 'timed out or hung' };
const ago = (time) => {
  const seconds = Math.max(0, Math.round((Date.now() + skew - Date.parse(time)) / 1000));
  if (seconds < 60) return seconds + ' s';
  if (seconds < 3600) return Math.floor(seconds / 60) + ' min ' + (seconds % 60) + ' s';
  if (seconds < 86400) return Math.floor(seconds / 3600) + ' h ' + Math.floor((seconds % 3600) / 60) + ' min';
  return Math.floor(seconds / 86400) + ' d ' + Math.floor((seconds % 86400) / 3600) + ' h';
};
const row = (list, term, text) => list.append(make('dt', '', term), make('dd', '', text));
const documentation = ${JSON.stringify(documentation)};
let skew = 0;
let heardAt = Date.now();

const worst = ['unhealthy', 'degraded', 'unknown', 'healthy'];
const rank = (mount) => worst.indexOf(stateOf(mount));
const stateOf = (mount) => (states.includes(mount.status) ? mount.status : 'unknown');
// The number of cards opened automatically; more would hide what a person looks for.
const mostOpened = 20;
const cards = new Map();

const cardOf = (key) => {
  const known = cards.get(key);
  if (known) return known;
  const article = make('article');
  const details = make('details');
  const summary = make('summary');
  const top = make('span', 'top');
  const name = make('h2');
  const state = make('span', 'state');
  const body = make('div', 'body');
  top.append(name, state);
  summary.append(top);
  details.append(summary, body);
  article.append(details);
  const card = { article, details, name, state, body, mount: undefined, touched: false };
  summary.addEventListener('click', () => { card.touched = true; });
  details.addEventListener('toggle', () => fill(card));
  cards.set(key, card);
  return card;
};

const fill = ({ details, body, mount }) => {
  if (!details.open) return body.replaceChildren();
  // Keep a link that has keyboard focus.
  if (body.contains(document.activeElement)) return;
  const facts = make('dl');
  if (mount.name) row(facts, 'path', mount.path);
  row(facts, 'since', new Date(mount.since).toLocaleString() + ' (' + ago(mount.since) + ')');
  const took = mount.last_duration_ms === undefined ? '' : ', took ' + mount.last_duration_ms.toFixed(1) + ' ms';
  row(facts, 'last check', mount.last_check ? ago(mount.last_check) + ' ago' + took : 'none yet');
  if (mount.filesystem) {
    const { mounted, type, source, mount_point } = mount.filesystem;
    row(facts, 'file system', type + ', ' + source + (mounted ? '' : ' (mounted at ' + mount_point + ')'));
  }
  if (mount.failure_count > 0) row(facts, 'failures', mount.failure_count + ' in a row');
  if (mount.reason) {
    row(facts, 'reason', mount.reason + ': ');
    const link = make('a', '', 'what to do');
    link.href = documentation + '/runbook.md#' + encodeURIComponent(mount.reason);
    link.target = '_blank';
    link.rel = 'noopener noreferrer';
    facts.lastChild.append(link);
  }
  if (mount.last_error) row(facts, 'error', mount.last_error);
  if (mount.probe_hung) row(facts, 'probe', 'hangs in the kernel; no other one is started for this mount');
  const strip = make('div', 'history');
  strip.setAttribute('role', 'img');
  strip.setAttribute('aria-label', 'the last ' + mount.history.length + ' checks');
  for (const mark of mount.history) {
    const bar = make('i', mark);
    bar.title = marks[mark] || mark;
    strip.append(bar);
  }
  body.replaceChildren(facts, strip);
};

const filter = () => {
  const text = get('filter').value.trim().toLowerCase();
  let shown = 0;
  for (const { article, mount } of cards.values()) {
    const words = [mount.name, mount.path, mount.status, mount.reason].join(' ').toLowerCase();
    article.hidden = !words.includes(text) || (get('troubled').checked && mount.status === 'healthy');
    if (!article.hidden) shown += 1;
  }
  get('shown').textContent = shown === cards.size ? '' : shown + ' of ' + cards.size + ' shown';
};

let order = '';
const showMounts = (mounts) => {
  const keyed = mounts.map((mount) => [mount.path + '\\0' + mount.check_type + '\\0' + (mount.name || ''), mount]);
  keyed.sort(([, a], [, b]) => rank(a) - rank(b));
  const keys = keyed.map(([key]) => key);
  for (const [key, { article }] of cards) {
    if (keys.includes(key)) continue;
    article.remove();
    cards.delete(key);
  }
  keyed.forEach(([key, mount], index) => {
    const card = cardOf(key);
    card.mount = mount;
    card.article.className = 'card ' + stateOf(mount);
    card.name.textContent = mount.name || mount.path;
    card.state.textContent = mount.status + (mount.reason ? ', ' + mount.reason : '');
    const opens = mount.status !== 'healthy' && index < mostOpened;
    if (!card.touched && card.details.open !== opens) card.details.open = opens;
    fill(card);
  });
  if (order !== keys.join('\\n')) get('mounts').append(...keys.map((key) => cards.get(key).article));
  order = keys.join('\\n');
  filter();
};

const show = (status) => {
  skew = Date.parse(status.timestamp) - Date.now();
  const bad = status.mounts.filter((mount) => mount.status !== 'healthy').length;
  get('overall').textContent = bad === 0 ? status.status : bad + ' of ' + status.mounts.length + ' not healthy';
  get('overall').className = 'state ' + (status.status === 'healthy' ? 'healthy' : 'unhealthy');
  document.title = (bad === 0 ? '' : '(' + bad + ') ') + 'mount-monitor';
  showMounts(status.mounts);
  get('tools').hidden = status.mounts.length < 10;
  const dog = status.watchdog;
  get('watchdog-state').textContent = dog.state;
  const rows = make('dl');
  for (const [key, value] of Object.entries(dog)) {
    // Lists repeat what the mounts above show.
    if (key === 'state' || value === null || typeof value === 'object') continue;
    row(rows, key.replaceAll('_', ' '), key === 'since' ? new Date(value).toLocaleString() : String(value));
  }
  get('watchdog').replaceChildren(rows);
  get('version').textContent = 'version ' + status.version + ', up ' + ago(status.started_at);
};

get('filter').addEventListener('input', filter);
get('troubled').addEventListener('change', filter);

const refresh = async () => {
  try {
    const response = await fetch('healthz/status', { cache: 'no-store', signal: AbortSignal.timeout(5000) });
    show(await response.json());
    heardAt = Date.now();
    get('lost').className = '';
  } catch {
    get('lost').textContent = 'No answer from the monitor since ' + new Date(heardAt).toLocaleTimeString() + '.';
    get('lost').className = 'on';
  }
  setTimeout(refresh, document.hidden ? 10000 : 2000);
};
refresh();
`;

/** The status page: one document that keeps filling itself from /healthz/status. */
export const statusPage = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>mount-monitor</title>
<link rel="icon" href="data:,">
<style>${style}</style>
</head>
<body>
<main>
<header><h1>mount-monitor</h1><span id="overall" class="state" role="status"></span><span id="version" class="dim"></span></header>
<div id="lost" role="alert"></div>
<noscript>This page needs JavaScript; the same facts are at /healthz/status.</noscript>
<form id="tools" hidden onsubmit="return false">
<input id="filter" type="search" placeholder="Filter by name, path or reason" aria-label="Filter by name, path or reason">
<label><input id="troubled" type="checkbox"> not healthy only</label><span id="shown" class="dim" role="status"></span>
</form>
<div id="mounts"></div>
<div class="card"><section aria-label="watchdog">
<div class="top"><h2>Watchdog</h2><span id="watchdog-state" class="state"></span></div>
<div id="watchdog"></div>
</section></div>
</main>
<script>${script}</script>
</body>
</html>
`;
