// Calls Affilia as a front end does, with both protocols: node dist/example.js http://127.0.0.1:8081 [TOKEN]
//
// With a bundler, the same code runs in a browser. It reads a page of contracts, an error with its reason, and the first
// event of the change feed.

import { Code, ConnectError, type Interceptor, createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcWebTransport } from "@connectrpc/connect-web";

import { CatalogService } from "./gen/affilia/catalog/v1/catalog_service_pb.js";
import { EnrollmentQueryService, FeedStart } from "./gen/affilia/enrollment/v1/enrollment_query_service_pb.js";
import { ErrorInfoSchema } from "./gen/google/rpc/error_details_pb.js";

const UNKNOWN = "00000000-0000-4000-8000-000000000000";

const [baseUrl = "http://127.0.0.1:8081", token] = process.argv.slice(2);

/** Sends the end user's token with each call. */
const withToken: Interceptor = (next) => (request) => {
  if (token !== undefined) {
    request.header.set("Authorization", `Bearer ${token}`);
  }
  return next(request);
};

const options = { baseUrl, interceptors: [withToken], defaultTimeoutMs: 60_000 };

for (const [name, transport] of [
  ["Connect", createConnectTransport(options)],
  ["gRPC-Web", createGrpcWebTransport(options)],
] as const) {
  const catalog = createClient(CatalogService, transport);
  const page = await catalog.listContracts({ pageSize: 10 });
  console.log(`${name}: ${page.contracts.length} contract(s)`);

  try {
    await catalog.getContract({ contractId: UNKNOWN });
  } catch (refusal) {
    const error = ConnectError.from(refusal);
    const [info] = error.findDetails(ErrorInfoSchema);
    const callId = error.metadata.get("x-request-id");
    console.log(`${name}: ${Code[error.code]}/${info?.reason}${callId ? ", with its call id" : ""}`);
  }

  const feed = createClient(EnrollmentQueryService, transport);
  const watching = new AbortController();
  const messages = feed.watchEnrollments(
    { start: { case: "from", value: FeedStart.BEGINNING } },
    { signal: watching.signal, timeoutMs: 60_000 },
  );
  for await (const message of messages) {
    if (message.events.length > 0) {
      console.log(`${name}: event ${message.events[0]?.position}`);
      watching.abort();
      break;
    }
  }
}
