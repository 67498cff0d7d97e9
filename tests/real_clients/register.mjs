// Registers a client by RFC 7591 with openid-client, which others wrote, and asks for a token before and after its approval. Reads one
// JSON line of configuration, prints what was registered, reads a line once it is approved, and prints what came of it.
import { createInterface } from 'node:readline'
import * as oidc from 'openid-client'

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]()
const read = async () => JSON.parse((await lines.next()).value)
const tell = (value) => process.stdout.write(JSON.stringify(value) + '\n')

const given = await read()
const pair = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign', 'verify'])
const { kty, crv, x, y } = await crypto.subtle.exportKey('jwk', pair.publicKey)
const config = await oidc.dynamicClientRegistration(
  new URL(given.issuer),
  { client_name: 'Reach', jwks: { keys: [{ kty, crv, x, y }] }, token_endpoint_auth_method: 'private_key_jwt', grant_types: ['client_credentials'] },
  oidc.PrivateKeyJwt(pair.privateKey),
  { initialAccessToken: given.token, execute: [oidc.allowInsecureRequests] },
)
const ask = async () => {
  try {
    return (await oidc.clientCredentialsGrant(config)).token_type
  } catch (error) {
    return error.error ?? error.code
  }
}
tell({ client_id: config.clientMetadata().client_id, before: await ask() })
await read()
tell({ after: await ask() })
process.exit(0)
