package capture

// Frame is one captured frame.
//
// Data aliases the source's read buffer: it is valid until the next call of
// ReadBatch on that source and must not be written to.
type Frame struct {
	Data    []byte // the captured bytes, starting at the link layer
	Time    int64  // nanoseconds since the Unix epoch, from the capture; saturated where they do not fit
	Number  uint64 // 1-based position in its file, as tshark numbers frames
	WireLen uint32 // length on the wire, as the capture claims; greater than len(Data) when a snap length cut the frame
	Link    uint32 // LINKTYPE_ number of the interface, as the capture says it (https://www.tcpdump.org/linktypes.html)
	File    uint32 // index of the file in the source's list of names
}

// Source yields frames in batches, in capture order. It fills at most
// len(frames) entries and returns how many. An error comes alone, with n == 0:
// io.EOF at the end of the last file, a *DamageError when one file could not
// be read further. After a *DamageError the caller may call again: the source
// goes on with the next file.
type Source interface {
	ReadBatch(frames []Frame) (n int, err error)
}
