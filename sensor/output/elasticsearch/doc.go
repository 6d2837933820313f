// Package elasticsearch delivers records to Elasticsearch and OpenSearch by their
// bulk API:
//
//   - https://www.elastic.co/guide/en/elasticsearch/reference/current/docs-bulk.html
//   - https://docs.opensearch.org/latest/api-reference/document-apis/bulk/
//
// The assembly makes one sink for each output of that kind; a courier calls it.
// Every record is created under its own id, so that a second delivery of it is
// known by the receiver (409) and doubles nothing. It must never show a credential.
package elasticsearch
