// Forwards calls to Affilia with the caller's token, deadline and cancellation, and returns the response or the error with
// its details.
//
// The proxy has no credentials of its own. Affilia decides what a user can do from the user's token.

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

/** Headers that are forwarded to Affilia. All others, such as cookies, are not. */
const FORWARDED = ["authorization", "traceparent", "tracestate", "x-request-id"];

/** Metadata that is returned to the caller. */
const RETURNED = ["x-request-id"];

/** Adds a service to a router. Each method calls the same method of the server. */
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

/** Returns the options of the call to the server: the same deadline, and cancellation if the browser disconnects. */
function optionsFor(context: HandlerContext): CallOptions {
  const timeoutMs = context.timeoutMs();
  return {
    headers: selected(context.requestHeader, FORWARDED),
    signal: context.signal,
    ...(timeoutMs === undefined ? {} : { timeoutMs: Math.max(1, timeoutMs) }),
    onTrailer: (trailer) => copy(selected(trailer, RETURNED), context.responseTrailer),
  };
}

/** Returns the server's error, with its details, to the browser. The text of the proxy's own errors is only logged. */
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
