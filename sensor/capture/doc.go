// Package capture yields the frames of capture files, in order and without
// copying them: pcap, pcapng and snoop, plain or compressed with gzip, zstd or
// lz4, told apart by content, from files, directories and standard input. The
// worker calls ReadBatch and nothing else; the command line opens the source,
// shows its progress and prints its damage. A capture is hostile input: no
// length field decides an allocation, memory is bounded however large a file
// is, a damaged file never stops the files after it, and every whole packet
// before the damage is delivered. The package must never look above the link
// layer, log, keep a frame after the next call, or import another package of
// this module.
package capture
