// Drives the authorization server with openid-client, which others wrote. Reads one JSON line of configuration, prints the address
// to send a browser to, reads the address that the browser came back to, and prints what each further step came to.
import { createInterface } from 'node:readline'
import * as oidc from 'openid-client'

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]()
const read = async () => JSON.parse((await lines.next()).value)
const tell = (value) => process.stdout.write(JSON.stringify(value) + '\n')
const failed = async (work) => {
  try {
    await work
  } catch (error) {
    return error.error ?? error.cause?.error ?? error.code
  }
  return null
}

const given = await read()
const { kid, ...jwk } = given.jwk
const key = await crypto.subtle.importKey('jwk', jwk, { name: 'ECDSA', namedCurve: 'P-256' }, false, ['sign'])
const config = await oidc.discovery(
  new URL(given.issuer),
  given.client_id,
  { dpop_bound_access_tokens: true, id_token_signed_response_alg: 'ES256' },
  oidc.PrivateKeyJwt({ key, kid }),
  { execute: [oidc.allowInsecureRequests] },
)
const DPoP = oidc.getDPoPHandle(config, await oidc.randomDPoPKeyPair('ES256'))

const verifier = oidc.randomPKCECodeVerifier()
const [state, nonce] = [oidc.randomState(), oidc.randomNonce()]
const address = await oidc.buildAuthorizationUrlWithPAR(
  config,
  {
    redirect_uri: given.redirect_uri,
    scope: given.scope,
    code_challenge: await oidc.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
    state,
    nonce,
  },
  { DPoP },
)
tell({ address: address.href })

const back = new URL((await read()).address)
const checks = { pkceCodeVerifier: verifier, expectedState: state, expectedNonce: nonce, idTokenExpected: true }
const redeem = (url, changed = {}) => oidc.authorizationCodeGrant(config, url, { ...checks, ...changed }, undefined, { DPoP })
const foreign = new URL(back)
foreign.searchParams.set('iss', 'https://evil.example')
const anonymous = new URL(back)
anonymous.searchParams.delete('iss')
const mixed = {
  foreign_issuer: await failed(redeem(foreign)),
  no_issuer: await failed(redeem(anonymous)),
  other_state: await failed(redeem(back, { expectedState: 'other' })),
}

const tokens = await redeem(back)
const claims = tokens.claims()
const ask = (access) =>
  oidc.fetchProtectedResource(
    config,
    access,
    new URL(given.graphql),
    'POST',
    JSON.stringify({ query: given.document }),
    new Headers({ 'content-type': 'application/json' }),
    { DPoP },
  )
const answer = await (await ask(tokens.access_token)).json()
const userinfo = await oidc.fetchUserInfo(config, tokens.access_token, claims.sub, { DPoP })
const refreshed = await oidc.refreshTokenGrant(config, tokens.refresh_token, undefined, { DPoP })
const again = await (await ask(refreshed.access_token)).json()
const introspected = await oidc.tokenIntrospection(config, refreshed.access_token)
const widened = await failed(oidc.refreshTokenGrant(config, tokens.refresh_token, { scope: given.scope + ' shop.other' }, { DPoP }))
const stranger = oidc.getDPoPHandle(config, await oidc.randomDPoPKeyPair('ES256'))
const otherKey = await failed(oidc.refreshTokenGrant(config, tokens.refresh_token, undefined, { DPoP: stranger }))
const unbound = await failed(oidc.clientCredentialsGrant(config, { scope: given.data_scope }))
const bound = await oidc.clientCredentialsGrant(config, { scope: given.data_scope }, { DPoP })
await oidc.tokenRevocation(config, refreshed.access_token)
const revoked = await oidc.tokenIntrospection(config, refreshed.access_token)
const replayed = await failed(redeem(back))
const afterwards = await failed(oidc.refreshTokenGrant(config, tokens.refresh_token, undefined, { DPoP }))

tell({
  mixed,
  claims,
  token_type: tokens.token_type,
  scope: tokens.scope,
  answer,
  userinfo,
  kept: refreshed.refresh_token === undefined || refreshed.refresh_token === tokens.refresh_token,
  again,
  introspected,
  widened,
  other_key: otherKey,
  unbound,
  bound: bound.token_type,
  revoked: revoked.active,
  replayed,
  afterwards,
})
process.exit(0)
