package monitor

import "github.com/prometheus/client_golang/prometheus"

// family is one metric name. Labels are bounded by the configuration (workers,
// rings, outputs) or by lists in this program, never by what is on the wire.
type family struct {
	name   string
	kind   prometheus.ValueType
	help   string
	labels []string
	desc   *prometheus.Desc
}

// families lists every metric of ours; docs/metrics.md is held against it.
var families []*family

func define(kind prometheus.ValueType, name, help string, labels ...string) *family {
	f := &family{name: "rmmwatch_" + name, kind: kind, help: help, labels: labels}
	f.desc = prometheus.NewDesc(f.name, help, labels, nil)
	families = append(families, f)
	return f
}

func counter(name, help string, labels ...string) *family {
	return define(prometheus.CounterValue, name, help, labels...)
}

func gauge(name, help string, labels ...string) *family {
	return define(prometheus.GaugeValue, name, help, labels...)
}

var (
	buildInfo = gauge("build_info", "The version of the program; always 1.", "version")
	startTime = gauge("start_timestamp_seconds", "When the sensor started, Unix time.")

	ringPackets = counter("capture_packets_total", "Packets that passed the kernel's filter, those that were lost included.", "interface", "ring")
	ringDrops   = counter("capture_drops_total", "Packets lost because the ring was full.", "interface", "ring")
	ringFreezes = counter("capture_freezes_total", "How often the ring became full.", "interface", "ring")
	ringUp      = gauge("capture_interface_up", "1 while the ring's interface is up.", "interface", "ring")

	workerPackets = counter("packets_total", "Packets that the worker processed.", "worker")
	workerBytes   = counter("bytes_total", "Bytes of these packets on the wire.", "worker")
	workerTurns   = counter("worker_turns_total", "Turns of the worker's loop; it hangs when these stand still.", "worker")
	workerPanics  = counter("worker_panics_total", "Packets that made the worker panic and were put aside.", "worker")
	workerLast    = gauge("worker_last_packet_timestamp_seconds", "When the worker's latest packet was captured, Unix time; 0 before the first.", "worker")

	decoded  = counter("decoded_packets_total", "Packets and reassembled datagrams by what the decoder made of them.", "status")
	tunneled = counter("tunneled_packets_total", "Packets by their innermost encapsulation.", "tunnel")
	mirrored = counter("mirrored_packets_total", "Packets that were a second copy of one before, and counted once.")

	flowsLive    = gauge("flows", "Flows in the worker's table.", "worker")
	flowsLimit   = gauge("flows_limit", "Flows that the tables of all workers hold together.")
	flowsCreated = counter("flows_created_total", "Flows that began.", "worker")
	flowsEvicted = counter("flows_evicted_total", "Flows given up because the table was full.", "worker")
	flowsExpired = counter("flows_expired_total", "Flows that were idle for longer than their time-out.", "worker")
	flowsReused  = counter("flows_reused_total", "Five-tuples that started again.")
	flowsMid     = counter("flows_midstream_total", "TCP flows whose start was not seen.")
	flowsUnread  = counter("flows_unread_total", "Flows that ended with a handshake that was not read: incomplete, or cut by the capture.", "reason")

	headsGivenUp = counter("heads_given_up_total", "First bytes of a direction that were given up: the pool was full, their size was reached, or they decided nothing.", "reason")
	headSegments = counter("head_segments_dropped_total", "Segments not kept because the first bytes had too many holes.")

	malformed = counter("parser_malformed_total", "Messages that the protocol's parser refused as malformed.", "protocol")
	echHellos = counter("tls_ech_hellos_total", "ClientHellos that hide the server's name.")

	matches        = counter("matches_total", "Indicators that matched.")
	lost           = counter("findings_lost_total", "Findings given up because the collector was behind.")
	collectorTurns = counter("collector_turns_total", "Turns of the collector's loop; it hangs when these stand still.")
	sightings      = counter("sightings_total", "Pieces of evidence that the collector took.")
	forwarded      = counter("dns_forwarded_total", "DNS questions that a resolver passed on for a client, booked for the client.")
	alerts         = counter("alerts_total", "Alerts opened.", "kind")
	usesSanctioned = counter("uses_sanctioned_total", "Host and tool pairs that the policy permits, closed without an alert.")
	alertsMuted    = counter("alerts_muted_total", "Alerts of kinds that are switched off.")
	alertsHeld     = counter("alerts_held_total", "Alerts beyond the budget of their minute, told as one.")
	hostNames      = counter("host_names_total", "Names that hosts told of themselves; those that gave way to one of a better source, and those forgotten because there were too many.", "outcome")
	alertsWeak     = counter("alerts_weak_total", "Host and tool pairs closed without an alert: below the least confidence, or a port alone.")
	alertsCrowded  = counter("alerts_crowded_total", "Alerts closed early because too many were open.")

	outputInfo      = gauge("output_info", "The outputs and their kinds; always 1.", "output", "kind")
	outputState     = gauge("output_state", "1 for the state that the output is in, 0 for the others.", "output", "state")
	backlogRecords  = gauge("output_backlog_records", "Records that wait in the output's queue.", "output")
	backlogBytes    = gauge("output_backlog_bytes", "Bytes of the records that wait.", "output")
	backlogAge      = gauge("output_backlog_age_seconds", "How long the oldest record has waited; 0 while none waits.", "output")
	queueFailing    = gauge("output_queue_failing", "1 while the disk takes nothing from the queue, or the queue cannot be read.", "output")
	delivered       = counter("output_delivered_records_total", "Records that the receiver took.", "output")
	refused         = counter("output_refused_records_total", "Records that the receiver will never take.", "output")
	givenUp         = counter("output_given_up_records_total", "Records lost to a bound of the queue or to damage.", "output", "reason")
	failures        = counter("output_failures_total", "Attempts to deliver that failed.", "output")
	outputSucceeded = gauge("output_last_success_timestamp_seconds", "When records were delivered last, Unix time; 0 before the first.", "output")

	rulesInfo       = gauge("rules_info", "The version of the rule set in use; always 1.", "version")
	rulesTools      = gauge("rules_tools", "Tools in the rule set.")
	rulesIndicators = gauge("rules_indicators", "Indicators in the rule set.")
	rulesLoaded     = gauge("rules_loaded_timestamp_seconds", "When the rule set was loaded, Unix time.")
	rulesReloads    = counter("rules_reloads_total", "Reloads by result; a refused rule set leaves the one before in use.", "result")

	shuntPackets = counter("shunt_packets_total", "Packets by what the shunt did: passed to the rings, or only counted in the kernel.", "action")
	shuntBytes   = counter("shunt_bytes_total", "Bytes of these packets on the wire.", "action")
	shuntRefused = counter("shunt_refused_flows_total", "Flows that the shunt could not take because its map was full.")
	shuntFlows   = gauge("shunt_flows", "Flows in the shunt's map.")
)
