// The platform's OpenID provider, played by oidc-provider: any login signs in and becomes `sub`.
// Arguments: port, redirect address of the gateway, signature algorithm, client authentication method.
import { generateKeyPairSync } from "node:crypto";
import { Provider } from "oidc-provider";

const [port, redirect, algorithm, method] = process.argv.slice(2);
const issuer = `http://127.0.0.1:${port}`;
const key = (kind, options, alg) => ({ ...generateKeyPairSync(kind, options).privateKey.export({ format: "jwk" }), alg, use: "sig", kid: alg });

const provider = new Provider(issuer, {
  clients: [
    {
      client_id: "gateway",
      client_secret: "a secret: with/odd&characters",
      redirect_uris: [redirect],
      grant_types: ["authorization_code"],
      response_types: ["code"],
      id_token_signed_response_alg: algorithm,
      token_endpoint_auth_method: method,
    },
  ],
  clientAuthMethods: [method],
  jwks: { keys: [key("rsa", { modulusLength: 2048 }, "RS256"), key("ec", { namedCurve: "P-256" }, "ES256")] },
  cookies: { keys: ["one run only"] },
  claims: { openid: ["sub", "platform_subject"], auth_time: null, acr: null, sid: null, iss: null },
  conformIdTokenClaims: false,
  pkce: { required: () => true },
  findAccount: (_context, id) => ({
    accountId: id,
    claims: async () => ({ sub: id, platform_subject: id.toUpperCase() }),
  }),
  features: { devInteractions: { enabled: true } },
});
provider.listen(Number(port), "127.0.0.1", () => console.log("ready"));
