// Stands for a built Volto: the environment, the order of the middlewares and the headers
// are those of its server (packages/volto/src/server.jsx, start-server.js, express-middleware).
const http = require("http");

const { env } = process;
const api = env.RAZZLE_INTERNAL_API_PATH;
let made = 0;
// As in Volto, of the whole process, and set by every request, also for /ok.
let apiPath = "";
const known = new Set();

// What Volto's own middlewares would fetch whole from Plone and hand on.
const PROXIED = [
  /\/@@(images|download|display-file)\//,
  /^\/@@site-logo(\/|$)/,
  /\/ics_view$/,
  /^\/@portrait\//,
  /\/sitemap.*\.xml(\.gz)?$/,
  /^\/robots\.txt$/,
  /^\/\+\+api\+\+(\/|$)/,
];

function cookie(request, name) {
  const found = (request.headers.cookie || "").split(/; */);
  const one = found.find((pair) => pair.startsWith(`${name}=`));
  return one ? one.slice(name.length + 1) : "";
}

function send(response, status, headers, text) {
  const all = { "X-Powered-By": "Express", "Content-Length": Buffer.byteLength(text) };
  response.writeHead(status, { ...all, ...headers });
  response.end(text);
}

const HTML = { "Content-Type": "text/html; charset=utf-8" };
const ERROR = { ...HTML, "Cache-Control": "public, max-age=60, no-transform" };

async function page(request, response, url) {
  const headers = { Accept: "application/json" };
  const token = cookie(request, "auth_token");
  if (token) headers.Authorization = `Bearer ${token}`;
  const path = url.pathname === "/" ? "" : url.pathname;
  const answer = await fetch(`${api}/++api++${path}`, { headers });
  const content = await answer.json();
  if (answer.status !== 200) {
    send(response, answer.status, ERROR, `<h1>Error ${answer.status}</h1>`);
    return;
  }
  made += 1;
  const shown = {
    api: apiPath,
    known: [...known].sort(),
    cookie: request.headers.cookie || "",
    language: cookie(request, "I18N_LANGUAGE"),
    accepted: request.headers["accept-language"] || "",
    headers: Object.keys(request.headers).sort(),
    process: env.PRODUCTIONSTACK_PROGRAM || "",
    url: request.url,
    made,
  };
  const state = JSON.stringify(shown).replace(/</g, "\\u003c");
  const text =
    `<!doctype html><title>${content.title}</title><h1>${content.title}</h1>` +
    `<script>window.__data=${state};</script>`;
  const more = url.searchParams.has("cookie") ? { "Set-Cookie": "seen=1" } : {};
  send(response, 200, { ...HTML, ...more }, text);
}

async function answer(request, response) {
  const url = new URL(request.url, "http://localhost");
  const proto = request.headers["x-forwarded-proto"] || "http";
  apiPath = `${proto}://${request.headers.host}`;
  known.add(apiPath);
  if (url.pathname === "/ok") {
    const never = "max-age=0, must-revalidate, private";
    send(response, 200, { "Content-Type": "text/plain", "Cache-Control": never }, "ok");
  } else if (PROXIED.some((one) => one.test(decodeURIComponent(url.pathname)))) {
    send(response, 200, { "X-Through-Node": "yes" }, "through Node");
  } else if (url.pathname.startsWith("/static/")) {
    const year = "public, max-age=31536000";
    send(response, 200, { "Content-Type": "text/css", "Cache-Control": year }, "p {}");
  } else if (url.pathname === "/broken") {
    send(response, 500, ERROR, "<h1>Error 500</h1>");
  } else if (url.pathname === "/moved") {
    response.writeHead(301, { Location: "/elsewhere" });
    response.end();
  } else {
    await page(request, response, url);
  }
}

http
  .createServer((request, response) => {
    answer(request, response).catch((error) => {
      console.error(error);
      send(response, 500, { ...HTML, "Cache-Control": "no-cache" }, "<h1>Error</h1>");
    });
  })
  .listen(env.PORT || 3000, env.RAZZLE_BIND_ADDRESS || "0.0.0.0", () => {
    if (env.RAZZLE_API_PATH) throw new Error("RAZZLE_API_PATH is for one host alone");
    console.log(`listening at ${env.RAZZLE_BIND_ADDRESS}:${env.PORT}`);
  });
