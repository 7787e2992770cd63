// Settings of the proxy, from environment variables. The proxy doesn't start if one is missing or malformed.

export interface Settings {
  /** Address on which the proxy listens. */
  readonly host: string;
  readonly port: number;
  /** Affilia's public listener, such as https://affilia.internal:443 or http://127.0.0.1:50051. */
  readonly server: string;
  /** The origins whose pages can call the proxy, such as https://portal.example.com. */
  readonly origins: ReadonlySet<string>;
  /** Maximum size of a request in bytes. The same as Affilia's default. */
  readonly maxRequestBytes: number;
}

export function settingsFrom(environment: Readonly<Record<string, string | undefined>>): Settings {
  const [host, port] = split(environment["PROXY_LISTEN"] ?? "127.0.0.1:8081");
  const origins = (environment["PROXY_ALLOWED_ORIGINS"] ?? "").split(",").map((text) => text.trim()).filter(Boolean);
  for (const origin of origins) {
    if (originOf(origin) !== origin) {
      throw new Error(`PROXY_ALLOWED_ORIGINS must list origins such as https://portal.example.com, got ${origin}.`);
    }
  }
  if (origins.length === 0) {
    throw new Error("PROXY_ALLOWED_ORIGINS is required: the origins of the pages that can call the proxy.");
  }
  return {
    host,
    port,
    server: environment["PROXY_SERVER"] ?? "http://127.0.0.1:50051",
    origins: new Set(origins),
    maxRequestBytes: 1024 * 1024,
  };
}

function originOf(text: string): string | undefined {
  try {
    return new URL(text).origin;
  } catch {
    return undefined;
  }
}

function split(address: string): [string, number] {
  const colon = address.lastIndexOf(":");
  const port = Number(address.slice(colon + 1));
  if (colon < 1 || !Number.isInteger(port) || port < 0 || port > 65535) {
    throw new Error(`PROXY_LISTEN must be host:port, got ${address}.`);
  }
  return [address.slice(0, colon), port];
}
