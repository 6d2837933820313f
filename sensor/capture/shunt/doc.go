// Package shunt keeps the bulk of decided flows in the kernel: an eBPF program
// on the capture's AF_PACKET sockets counts their packets in a map and drops
// them before they are copied into a ring. The live capture attaches the
// program to each of its sockets, the worker adds a flow when both of its
// directions are decided and takes its counts when it needs them;
// docs/shunt.md says when. The program passes whatever it cannot take apart to
// the last header, whatever could start or end a flow, and every packet of a flow that nobody
// added. It must never drop what it did not count, know what a flow means, or
// import another package of this module. It needs Linux; elsewhere Load says so.
package shunt
