// Serves Affilia to browsers: PROXY_ALLOWED_ORIGINS=https://portal.example.com npm start

import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

import { connectNodeAdapter, createGrpcTransport } from "@connectrpc/connect-node";

import { forward } from "./forwarding.js";
import { onlyFrom } from "./origins.js";
import { SERVICES } from "./services.js";
import { settingsFrom } from "./settings.js";

const settings = settingsFrom(process.env);
const transport = createGrpcTransport({ baseUrl: settings.server, pingIntervalMs: 30_000 });

const adapter = connectNodeAdapter({
  routes: (router) => SERVICES.forEach((service) => forward(router, service, transport)),
  grpc: false, // browsers use Connect and gRPC-Web; other clients call Affilia directly
  readMaxBytes: settings.maxRequestBytes,
  maxTimeoutMs: 24 * 60 * 60 * 1000,
});

const server = createServer(onlyFrom(settings.origins, adapter));
server.listen(settings.port, settings.host, () => {
  const { port } = server.address() as AddressInfo;
  console.log(`The proxy listens at http://${settings.host}:${port}, for ${[...settings.origins].join(", ")}.`);
});

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.once(signal, () => {
    server.close();
    server.closeIdleConnections();
    setTimeout(() => server.closeAllConnections(), 5_000).unref(); // streams end, and their clients resume
  });
}
