// An OIDC provider on loopback that issues JWT access tokens by client credentials; prints its URL.
// Usage: node issuer.mjs AUDIENCE
import { once } from "node:events";
import { createServer } from "node:http";
import { Provider } from "oidc-provider";

const [audience] = process.argv.slice(2);
const server = createServer();
server.listen(0, "127.0.0.1");
await once(server, "listening");
const url = `http://127.0.0.1:${server.address().port}`;

const client = (id, groups) => ({
  client_id: id,
  client_secret: `${id}-test-only`,
  grant_types: ["client_credentials"],
  redirect_uris: [],
  response_types: [],
  groups,
});
const provider = new Provider(url, {
  clients: [client("agent", "platform"), client("reviewer", "sre")],
  extraClientMetadata: { properties: ["groups"] },
  features: {
    clientCredentials: { enabled: true },
    devInteractions: { enabled: false },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => audience,
      useGrantedResource: () => true,
      getResourceServerInfo: (_, resource) => ({
        scope: "call",
        audience: process.env.HANSARD_OTHER_AUDIENCE ?? resource,
        accessTokenFormat: "jwt",
        accessTokenTTL: 300,
      }),
    },
  },
  extraTokenClaims: (_, token) => ({ sub: token.clientId, groups: [token.client?.groups].filter(Boolean) }),
});
server.on("request", provider.callback());
console.log(url);
