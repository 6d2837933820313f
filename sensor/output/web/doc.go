// Package web is the HTTP client of the sinks that speak HTTP: it decides whom
// to talk to, what of an answer is read, and what of it may be shown. The sinks
// webhook, splunk and elasticsearch call it. It never follows a redirect, never
// connects to a link-local or metadata address, and never lets a path, a query,
// a header or a credential into an error.
package web
