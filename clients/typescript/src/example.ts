// Lists the contracts of a running server: node dist/example.js 127.0.0.1:50051
//
// A refusal carries google.rpc.ErrorInfo; callers branch on its reason, never on the text.

import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";

import { CatalogService } from "./gen/affilia/catalog/v1/catalog_service_pb.js";
import { ErrorInfoSchema } from "./gen/google/rpc/error_details_pb.js";

const address = process.argv[2] ?? "127.0.0.1:50051";
const transport = createGrpcTransport({ baseUrl: `http://${address}`, defaultTimeoutMs: 5_000 });
const catalog = createClient(CatalogService, transport);

const unknown = "00000000-0000-4000-8000-000000000000";

const page = await catalog.listContracts({ pageSize: 10 });
for (const contract of page.contracts) {
  console.log(contract.contractId, `${contract.versions.length} version(s)`);
}
console.log(`${page.contracts.length} contract(s)`);

try {
  await catalog.getContract({ contractId: unknown });
} catch (refusal) {
  const error = ConnectError.from(refusal);
  const [info] = error.findDetails(ErrorInfoSchema);
  console.log(`${Code[error.code]}/${info?.reason}`);
}
