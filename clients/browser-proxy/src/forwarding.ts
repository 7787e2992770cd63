// Forwards calls to Affilia: the request, the caller's token, the deadline and a cancellation; back come the response, its
// headers and trailers, and errors with their details.
//
// The proxy has no credentials of its own. What a user can do is decided by Affilia from the user's token.

import type { DescMessage, DescMethod, DescService, MessageShape } from "@bufbuild/protobuf";
import {
  type CallOptions,
  type Client,
  Code,
  ConnectError,
  type ConnectRouter,
  type HandlerContext,
  type ServiceImpl,
  type Transport,
  createClient,
} from "@connectrpc/connect";

/** What a caller can send along. All other headers, such as cookies, stay with the proxy. */
const FORWARDED = ["authorization", "traceparent", "tracestate", "x-request-id"];

/** What a caller receives in addition to the response. */
const RETURNED = ["x-request-id"];

/** Adds a service to a router: each method calls the same method of the server. */
export function forward(router: ConnectRouter, service: DescService, transport: Transport): void {
  const client = createClient(service, transport) as Client<DescService>;
  const handlers = service.methods.map((method) => [method.localName, handler(method, client)]);
  router.service(service, Object.fromEntries(handlers) as ServiceImpl<DescService>);
}

type Message = MessageShape<DescMessage>;

function handler(method: DescMethod, client: Client<DescService>): unknown {
  const call = client[method.localName] as (request: Message, options: CallOptions) => unknown;
  switch (method.methodKind) {
    case "unary":
      return async (request: Message, context: HandlerContext) => {
        try {
          return await call(request, optionsFor(context));
        } catch (error) {
          throw returned(error);
        }
      };
    case "server_streaming":
      return async function* (request: Message, context: HandlerContext) {
        try {
          yield* call(request, optionsFor(context)) as AsyncIterable<Message>;
        } catch (error) {
          throw returned(error);
        }
      };
    default:
      throw new Error(`${method.toString()} streams requests, which browsers can't send.`);
  }
}

/** Returns the options of the call to the server: the same deadline, and cancelled if the browser is gone. */
function optionsFor(context: HandlerContext): CallOptions {
  const timeoutMs = context.timeoutMs();
  return {
    headers: selected(context.requestHeader, FORWARDED),
    signal: context.signal,
    ...(timeoutMs === undefined ? {} : { timeoutMs: Math.max(1, timeoutMs) }),
    onTrailer: (trailer) => copy(selected(trailer, RETURNED), context.responseTrailer),
  };
}

/** Returns an error of the server for the browser, with its details. Errors of the proxy itself have no text of theirs. */
function returned(error: unknown): ConnectError {
  if (!(error instanceof ConnectError)) {
    console.error(error);
    return new ConnectError("The proxy failed.", Code.Internal);
  }
  const found = new ConnectError(error.rawMessage, error.code, selected(error.metadata, RETURNED));
  found.details = error.details;
  return found;
}

function selected(headers: Headers, names: readonly string[]): Headers {
  const found = new Headers();
  for (const name of names) {
    const value = headers.get(name);
    if (value !== null) {
      found.set(name, value);
    }
  }
  return found;
}

function copy(from: Headers, to: Headers): void {
  from.forEach((value, name) => to.set(name, value));
}
