// A TypeScript SDK client that makes the calls of the end-to-end test and prints what it saw as one JSON object.
// Usage: node client.mjs v1|v2 URL   (HANSARD_TOKEN: bearer token, where one is needed)
const [line, url] = process.argv.slice(2);
const token = process.env.HANSARD_TOKEN;

async function connect() {
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  const options = { requestInit: { headers } };
  const info = { name: "hansard-end-to-end", version: "1.0.0" };
  if (line === "v1") {
    const { Client } = await import("@modelcontextprotocol/sdk/client/index.js");
    const { StreamableHTTPClientTransport } = await import("@modelcontextprotocol/sdk/client/streamableHttp.js");
    const client = new Client(info);
    await client.connect(new StreamableHTTPClientTransport(new URL(url), options));
    return client;
  }
  const { Client, StreamableHTTPClientTransport } = await import("@modelcontextprotocol/client");
  const client = new Client(info);
  await client.connect(new StreamableHTTPClientTransport(new URL(url), options));
  return client;
}

const client = await connect();
let progress = 0;
const call = (name, args, onprogress) =>
  line === "v1"
    ? client.callTool({ name, arguments: args }, undefined, { onprogress })
    : client.callTool({ name, arguments: args }, { onprogress });

const seen = {
  tools: (await client.listTools()).tools.map((tool) => tool.name).sort(),
  echo: (await call("echo", { message: process.env.HANSARD_MESSAGE ?? "hello" })).content,
  sum: (await call("get-sum", { a: 19, b: 23 })).content,
  long: (await call("trigger-long-running-operation", { duration: 0.5, steps: 4 }, () => { progress += 1; })).content,
  image: (await call("get-tiny-image", {})).content.map((part) => part.type),
};
seen.progress = progress;
await client.close();
console.log(JSON.stringify(seen));
process.exit(0);
