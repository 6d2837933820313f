package afpacket

import (
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The status word of a block (tpacket_hdr_v1.block_status) says whose the
// block is. The kernel writes it after the block's other bytes, with a write
// barrier between: it must be read with acquire semantics, and written with
// release semantics when the block goes back, which only sync/atomic has.

func status(block []byte) *uint32 {
	_ = block[blockHeader-1]
	return (*uint32)(unsafe.Pointer(&block[blockStatus])) // blocks are aligned to a page
}

// ours reports whether the kernel has handed the block over.
func ours(block []byte) bool { return atomic.LoadUint32(status(block))&unix.TP_STATUS_USER != 0 }

// giveBack hands the block to the kernel.
func giveBack(block []byte) { atomic.StoreUint32(status(block), unix.TP_STATUS_KERNEL) }
