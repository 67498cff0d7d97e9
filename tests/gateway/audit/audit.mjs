// node audit.mjs URL, with the bearer token in the environment as AUDIT_TOKEN.
// Prints one JSON line: [{"id", "name", "status": "ok" | "notice" | "warn" | "error", "reason"}].
import { auditServer } from 'graphql-http';

const results = await auditServer({
  url: process.argv[2],
  fetchFn: (url, options = {}) =>
    fetch(url, { ...options, headers: { ...options.headers, authorization: `Bearer ${process.env.AUDIT_TOKEN}` } }),
});
console.log(JSON.stringify(results.map(({ id, name, status, reason }) => ({ id, name, status, reason: reason ?? null }))));
process.exit(0);
