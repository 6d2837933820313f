// Package webhook delivers records to any receiver of HTTP requests, signed as
// the Standard Webhooks specification 1.0.0 says
// (https://github.com/standard-webhooks/standard-webhooks, spec/standard-webhooks.md).
// The assembly makes one sink for each output of that kind; a courier calls it.
// It must never show the URL beyond its host: the paths of such URLs are secrets.
package webhook
