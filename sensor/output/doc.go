// Package output delivers records at least once: a durable queue for each
// output, a courier that takes from it, sends, and only then advances, and the
// contract that a sink fulfils. The sinks are the folders below, one protocol
// each; outputtest is the kit that all of them pass. sensor/delivery puts them
// together. It must never know what an alert is, slow down whoever puts a
// message, or lose one in silence.
package output
