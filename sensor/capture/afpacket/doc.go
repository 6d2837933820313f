// Package afpacket yields the frames of a live interface: a TPACKET_V3 ring of
// Linux's packet(7) sockets, read without a copy and without libpcap. The
// worker calls ReadBatch and nothing else; the command line opens a ring for
// each worker, attaches and detaches eBPF programs, reads the counters and
// closes it. Fanout is by the pair of addresses (fanout_linux.go): both
// directions of a flow meet on one ring. The package must never look above the
// link layer, log, copy a frame, or keep one after the next call. It is the one
// place from capture to alert with unsafe in it (status_linux.go): the word by
// which the kernel hands over a block has to be read with acquire semantics.
package afpacket
