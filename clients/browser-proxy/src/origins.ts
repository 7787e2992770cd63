// Allows the pages of the listed origins to call the proxy (CORS), and rejects those of all others.

import type { IncomingMessage, ServerResponse } from "node:http";

import { cors } from "@connectrpc/connect";

const ALLOWED_HEADERS = [...cors.allowedHeaders, "Authorization", "Traceparent", "Tracestate", "X-Request-Id"].join(", ");
const EXPOSED_HEADERS = [...cors.exposedHeaders, "X-Request-Id", "Trailer-X-Request-Id"].join(", ");
const PREFLIGHT_SECONDS = 2 * 60 * 60;

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

/** Returns a handler that passes on requests from the listed origins, and requests without an origin. */
export function onlyFrom(origins: ReadonlySet<string>, next: Handler): Handler {
  return (request, response) => {
    const origin = request.headers.origin;
    response.setHeader("Vary", "Origin");
    if (origin === undefined) {
      next(request, response);
      return;
    }
    if (!origins.has(origin)) {
      response.writeHead(403, { "Content-Type": "text/plain" }).end(`${origin} is not an allowed origin.\n`);
      return;
    }
    response.setHeader("Access-Control-Allow-Origin", origin);
    if (request.method === "OPTIONS") {
      response.writeHead(204, {
        "Access-Control-Allow-Methods": cors.allowedMethods.join(", "),
        "Access-Control-Allow-Headers": ALLOWED_HEADERS,
        "Access-Control-Max-Age": String(PREFLIGHT_SECONDS),
      });
      response.end();
      return;
    }
    response.setHeader("Access-Control-Expose-Headers", EXPOSED_HEADERS);
    next(request, response);
  };
}
