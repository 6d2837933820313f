// Package delivery puts outputs together from the configuration: for each a
// filter, a format, a durable queue, a courier and a sink. The assembly gives it
// alerts and waits for it at the end; nothing here decides what an alert is, and
// nothing in it may slow the capture down.
package delivery
