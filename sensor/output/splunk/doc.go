// Package splunk delivers records to Splunk's HTTP Event Collector (HEC), as the
// vendor documents it:
//
//   - Format events for HTTP Event Collector,
//     https://help.splunk.com/splunk-enterprise/get-data-in/collect-http-event-data/format-events-for-http-event-collector
//   - Troubleshoot HTTP Event Collector (the table of codes),
//     https://help.splunk.com/en/splunk-enterprise/get-data-in/collect-http-event-data/troubleshoot-http-event-collector
//   - About HTTP Event Collector Indexer Acknowledgment,
//     https://help.splunk.com/splunk-enterprise/get-data-in/collect-http-event-data/about-http-event-collector-indexer-acknowledgment
//
// The assembly makes one sink for each output of that kind; a courier calls it.
// Splunk knows no ids: what is sent twice is there twice. So nothing is sent
// again that the receiver has for certain, and the token is never shown.
package splunk
